//! `/user?id=…`: what is behind one user's embedding.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use dayvec_proto::lookup::v1::{GetUserEmbeddingResponse, Status};
use dayvec_snapshot::Manifest;

use super::page;
use super::parts::Mark;
use crate::outage::Outage;
use crate::people::{Catalogue, Near};
use crate::replicas::Asked;
use crate::server::Sources;
use crate::tables::Action;
use crate::words::{Moment, figure, now_s};

/// Actions that are shown: a screenful, and what an embedding leans on most.
const SHOWN_ACTIONS: usize = 50;
/// Nearest items that are shown.
const NEAREST: usize = 10;

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    /// As it was asked for; empty for the form alone.
    id: String,
    /// Why there is no answer at all.
    refusal: String,
    answer: Option<Answer>,
}

struct Answer {
    embedding: Result<EmbeddingPart, Outage>,
    /// The snapshot that the rest of the page is of.
    snapshot_id: String,
    /// `None` where the state that the snapshot was made of is gone.
    actions: Result<Option<ActionsPart>, Outage>,
    /// `None` where there is no embedding to be near to.
    nearest: Option<Result<Vec<NearRow>, Outage>>,
}

/// What the lookup says.
struct EmbeddingPart {
    mark: Mark,
    is_found: bool,
    replica: String,
    model_id: String,
    tower_pair_id: String,
    as_of: Option<Moment>,
    computed_at: Option<Moment>,
    last_action_at: Option<Moment>,
    dim: usize,
    norm: String,
}

struct ActionsPart {
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
    near: Near,
    score: String,
    /// Whether the user acted on it already.
    is_known: bool,
}

/// Answer `/user`.
pub(crate) async fn user(
    State(sources): State<Arc<Sources>>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Response {
    let form = |refusal: &str| UserPage { id: String::new(), refusal: refusal.to_owned(), answer: None };
    let Ok(Query(mut query)) = query else {
        return page(
            StatusCode::BAD_REQUEST,
            &form("The address cannot be read; write the id into the field."),
        );
    };
    let id = query.remove("id").unwrap_or_default();
    if id.is_empty() {
        return page(StatusCode::OK, &form(""));
    }
    let asked = sources.replicas.user(&id).await;
    if let Asked::Refused(said) = asked {
        let refusal = format!("The lookup refuses this id: {said}");
        return page(StatusCode::BAD_REQUEST, &UserPage { id, refusal, answer: None });
    }
    let answer = answer(&sources, &id, asked).await;
    let is_whole = answer.actions.is_ok() && !matches!(answer.nearest, Some(Err(_)));
    let status = if is_whole { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    page(status, &UserPage { id, refusal: String::new(), answer: Some(answer) })
}

async fn answer(sources: &Sources, id: &str, asked: Asked) -> Answer {
    let now_s = now_s();
    let (numbers, embedding, served) = match asked {
        Asked::Answer { replica, reply } => {
            let numbers = numbers(&reply);
            let served = reply.snapshot.as_ref().map(|snapshot| snapshot.snapshot_id.clone());
            let part = EmbeddingPart::new(replica, &reply, &numbers, now_s);
            (numbers, Ok(part), served)
        }
        Asked::Refused(said) => (Vec::new(), Err(Outage::said("lookup", said)), None),
        Asked::Nobody(outage) => (Vec::new(), Err(outage), None),
    };
    let manifest = match manifest(sources, served).await {
        Ok(manifest) => manifest,
        Err(outage) => {
            return Answer { embedding, snapshot_id: String::new(), actions: Err(outage), nearest: None };
        }
    };
    let reader = &sources.reader;
    let (actions, catalogue) = futures::join!(
        reader.within(sources.people.actions(&manifest, id)),
        reader.within(sources.people.catalogue(&manifest))
    );
    let known: HashSet<String> =
        actions.iter().flatten().flatten().map(|action| action.item_id.clone()).collect();
    let title = |item_id: &str| {
        catalogue.as_ref().map_or_else(|_| String::new(), |catalogue| catalogue.title(item_id).to_owned())
    };
    let actions = actions.map(|actions| actions.map(|actions| ActionsPart::new(&actions, title, now_s)));
    let nearest = match &catalogue {
        _ if numbers.is_empty() => None,
        Ok(catalogue) => Some(Ok(nearest(Arc::clone(catalogue), numbers, known).await)),
        Err(outage) => Some(Err(outage.clone())),
    };
    Answer { embedding, snapshot_id: manifest.snapshot_id.clone(), actions, nearest }
}

/// The manifest of the snapshot that is served, or, where none is, of the newest announced one.
async fn manifest(sources: &Sources, served: Option<String>) -> Result<Arc<Manifest>, Outage> {
    if let Some(snapshot_id) = served {
        return sources.reader.manifest(&snapshot_id).await;
    }
    let published = sources.reader.published().await?;
    match published.announced.first() {
        Some(newest) => newest.manifest.clone(),
        None => Err(sources.reader.outage(&Outage::said("announcements", "nothing is announced yet"))),
    }
}

/// The embedding's floats; empty where there is none.
fn numbers(reply: &GetUserEmbeddingResponse) -> Vec<f32> {
    let embedding = reply.user.as_ref().and_then(|user| user.embedding.as_ref());
    let data = embedding.map(|embedding| embedding.data.as_ref()).unwrap_or_default();
    data.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

async fn nearest(catalogue: Arc<Catalogue>, numbers: Vec<f32>, known: HashSet<String>) -> Vec<NearRow> {
    let scored = tokio::task::spawn_blocking(move || catalogue.nearest(&numbers, NEAREST)).await;
    let row = |near: Near| {
        let (score, is_known) = (format!("{:.4}", near.score), known.contains(&near.item_id));
        NearRow { near, score, is_known }
    };
    scored.unwrap_or_default().into_iter().map(row).collect()
}

impl EmbeddingPart {
    fn new(replica: String, reply: &GetUserEmbeddingResponse, numbers: &[f32], now_s: i64) -> Self {
        let user = reply.user.clone().unwrap_or_default();
        let snapshot = reply.snapshot.clone().unwrap_or_default();
        let norm = numbers.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        Self {
            mark: match user.status() {
                Status::Found => Mark::ok("found"),
                Status::NotFound => Mark::warn("not known"),
                Status::TooOld => Mark::warn("too old"),
                Status::NotServed => Mark::warn("served elsewhere"),
                Status::Erased => Mark::off("erased"),
                Status::Unspecified => Mark::off("unknown status"),
            },
            is_found: user.status() == Status::Found,
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
}

impl ActionsPart {
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
