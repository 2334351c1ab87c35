//! `/user?id=…`: what one user's embedding was computed from, and what is near to it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use dayvec_proto::lookup::v1::{GetUserEmbeddingResponse, Status};
use dayvec_snapshot::Manifest;

use super::answer::page;
use super::marks::Mark;
use crate::format::{Moment, figure, now_s};
use crate::outage::Outage;
use crate::replicas::UserLookup;
use crate::sources::Sources;
use crate::tables::Action;
use crate::users::{Catalogue, NearItem};

/// Actions that are shown: a screenful, and those that count most for an embedding.
const SHOWN_ACTIONS: usize = 50;
/// Nearest items that are shown.
const NEAREST: usize = 10;

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    /// As it was requested; empty for the form alone.
    id: String,
    /// Why the request was rejected; empty if it was not.
    rejection: String,
    answer: Option<Answer>,
}

struct Answer {
    embedding: Result<EmbeddingSection, Outage>,
    /// The snapshot that the rest of the page is about.
    snapshot_id: String,
    /// `None` where the state behind the snapshot was removed.
    actions: Result<Option<ActionsSection>, Outage>,
    /// `None` where there is no embedding.
    nearest: Option<Result<Vec<NearRow>, Outage>>,
}

/// The lookup's answer.
struct EmbeddingSection {
    status: Status,
    replica: String,
    model_id: String,
    tower_pair_id: String,
    as_of: Option<Moment>,
    computed_at: Option<Moment>,
    last_action_at: Option<Moment>,
    dim: usize,
    norm: String,
}

struct ActionsSection {
    total: usize,
    rows: Vec<ActionRow>,
}

struct ActionRow {
    at: Moment,
    action: String,
    item_id: String,
    title: String,
}

struct NearRow {
    item: NearItem,
    score: String,
    /// Whether the user acted on it already.
    is_known: bool,
}

/// Answer `/user`.
pub(crate) async fn user(
    State(sources): State<Arc<Sources>>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Response {
    let form =
        |rejection: &str| UserPage { id: String::new(), rejection: rejection.to_owned(), answer: None };
    let Ok(Query(mut query)) = query else {
        return page(
            StatusCode::BAD_REQUEST,
            &form("The query of this address is not valid; enter the id in the field."),
        );
    };
    let id = query.remove("id").unwrap_or_default();
    if id.is_empty() {
        return page(StatusCode::OK, &form(""));
    }
    let found = match sources.replicas.user(&id).await {
        UserLookup::Answered { replica, reply } => Ok((replica, reply)),
        UserLookup::Unavailable(outage) => Err(outage),
        UserLookup::Rejected(reason) => {
            let rejection = format!("The lookup rejects this id: {reason}");
            return page(StatusCode::BAD_REQUEST, &UserPage { id, rejection, answer: None });
        }
    };
    let answer = answer(&sources, &id, found).await;
    let is_complete = answer.actions.is_ok() && !matches!(answer.nearest, Some(Err(_)));
    let status = if is_complete { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    page(status, &UserPage { id, rejection: String::new(), answer: Some(answer) })
}

/// The page of a user whom a replica answered for, or could not.
async fn answer(
    sources: &Sources,
    id: &str,
    found: Result<(String, Box<GetUserEmbeddingResponse>), Outage>,
) -> Answer {
    let now_s = now_s();
    let (numbers, embedding, served) = match found {
        Ok((replica, reply)) => {
            let numbers = numbers(&reply);
            let served = reply.snapshot.as_ref().map(|snapshot| snapshot.snapshot_id.clone());
            let section = EmbeddingSection::new(replica, &reply, &numbers, now_s);
            (numbers, Ok(section), served)
        }
        Err(outage) => (Vec::new(), Err(outage), None),
    };
    let manifest = match manifest(sources, served).await {
        Ok(manifest) => manifest,
        Err(outage) => {
            return Answer { embedding, snapshot_id: String::new(), actions: Err(outage), nearest: None };
        }
    };
    let bucket = &sources.bucket;
    let (actions, catalogue) = futures::join!(
        bucket.within(sources.users.actions(&manifest, id)),
        bucket.within(sources.users.catalogue(&manifest))
    );
    let known: HashSet<String> =
        actions.iter().flatten().flatten().map(|action| action.item_id.clone()).collect();
    let title = |item_id: &str| {
        catalogue.as_ref().map_or_else(|_| String::new(), |catalogue| catalogue.title(item_id).to_owned())
    };
    let actions = actions.map(|actions| actions.map(|actions| ActionsSection::new(&actions, title, now_s)));
    let nearest = match &catalogue {
        _ if numbers.is_empty() => None,
        Ok(catalogue) => Some(Ok(nearest(Arc::clone(catalogue), numbers, known).await)),
        Err(outage) => Some(Err(outage.clone())),
    };
    Answer { embedding, snapshot_id: manifest.snapshot_id.clone(), actions, nearest }
}

/// The manifest of the snapshot that is served, or of the newest announced one where none is served.
async fn manifest(sources: &Sources, served: Option<String>) -> Result<Arc<Manifest>, Outage> {
    if let Some(snapshot_id) = served {
        return sources.bucket.manifest(&snapshot_id).await;
    }
    let contents = sources.bucket.contents().await?;
    match contents.announced.first() {
        Some(newest) => newest.manifest.clone(),
        None => Err(Outage::new("announcements", "no snapshot has been announced yet")),
    }
}

/// The numbers of the embedding; empty where there is none.
fn numbers(reply: &GetUserEmbeddingResponse) -> Vec<f32> {
    let embedding = reply.user.as_ref().and_then(|user| user.embedding.as_ref());
    let data = embedding.map(|embedding| embedding.data.as_ref()).unwrap_or_default();
    data.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

async fn nearest(catalogue: Arc<Catalogue>, numbers: Vec<f32>, known: HashSet<String>) -> Vec<NearRow> {
    let scored = tokio::task::spawn_blocking(move || catalogue.nearest(&numbers, NEAREST)).await;
    let row = |item: NearItem| {
        let (score, is_known) = (format!("{:.4}", item.score), known.contains(&item.item_id));
        NearRow { item, score, is_known }
    };
    scored.unwrap_or_default().into_iter().map(row).collect()
}

impl EmbeddingSection {
    fn new(replica: String, reply: &GetUserEmbeddingResponse, numbers: &[f32], now_s: i64) -> Self {
        let user = reply.user.clone().unwrap_or_default();
        let snapshot = reply.snapshot.clone().unwrap_or_default();
        let norm = numbers.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        Self {
            status: user.status(),
            replica,
            model_id: snapshot.model_id,
            tower_pair_id: snapshot.tower_pair_id,
            as_of: Moment::of(snapshot.as_of.as_ref(), now_s),
            computed_at: Moment::of(user.computed_at.as_ref(), now_s),
            last_action_at: Moment::of(user.last_action_at.as_ref(), now_s),
            dim: numbers.len(),
            norm: figure(norm),
        }
    }

    fn mark(&self) -> Mark {
        match self.status {
            Status::Found => Mark::ok("found"),
            Status::NotFound => Mark::warn("not found"),
            Status::TooOld => Mark::warn("too old"),
            Status::NotServed => Mark::warn("served elsewhere"),
            Status::Erased => Mark::off("erased"),
            Status::Unspecified => Mark::off("unknown status"),
        }
    }

    fn is_found(&self) -> bool {
        self.status == Status::Found
    }
}

impl ActionsSection {
    fn new(actions: &[Action], title: impl Fn(&str) -> String, now_s: i64) -> Self {
        let row = |action: &Action| ActionRow {
            at: Moment::new(action.at_s, now_s),
            action: action.action.clone(),
            item_id: action.item_id.clone(),
            title: title(&action.item_id),
        };
        Self { total: actions.len(), rows: actions.iter().take(SHOWN_ACTIONS).map(row).collect() }
    }
}
