//! `dayvec get USER`: one user's embedding, as the lookup service answers it.

use anyhow::{Context as _, anyhow};
use dayvec_core::Day;
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{
    Embedding, Encoding, Fallback, GetUserEmbeddingRequest, GetUserEmbeddingResponse, ReadOptions, Source,
    Status,
};
use dayvec_runtime::terminal::escaped;
use dayvec_runtime::{FaultKind, WithFault as _, exit};

use crate::address::{TokenArgs, refused};

/// How many numbers of an embedding are shown without `--json`.
const SHOWN: usize = 8;

/// Get one user's embedding from a running lookup.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user's id, as in the log.
    #[arg(value_name = "USER")]
    pub user_id: String,
    /// Address of the lookup: http://HOST:PORT, or HOST:PORT. If users are sharded, give one replica of each shard,
    /// separated by commas; they are called in turn.
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL", value_delimiter = ',')]
    pub lookup: Vec<String>,
    /// The token.
    #[command(flatten)]
    pub token: TokenArgs,
    /// For an unknown user, return the mean of all users.
    #[arg(long)]
    pub or_mean: bool,
    /// Fail unless the snapshot in service has this pair of towers.
    #[arg(long, value_name = "ID")]
    pub require_tower_pair: Option<String>,
    /// Print JSON, with every number.
    #[arg(long)]
    pub json: bool,
}

/// Ask, and print the answer to stdout.
///
/// # Errors
/// With exit code 69 when the service is unavailable, 64 when it refuses the request, 65 when it has another pair of
/// towers or no embedding of the user.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let reply = runtime.block_on(ask(args))?;
    let text = if args.json { json(args, &reply) } else { text(args, &reply) };
    exit::print(&text).context("write the answer")?;
    let (user, snapshot) = (reply.user.unwrap_or_default(), reply.snapshot.unwrap_or_default());
    if user.embedding.is_none() {
        let (user_id, snapshot) = (&args.user_id, snapshot.snapshot_id);
        let unknown = anyhow!(
            "snapshot {snapshot} has no embedding of user `{user_id}`; ids are written as in the log"
        );
        return Err(unknown).fault(FaultKind::Data);
    }
    Ok(())
}

/// Ask one lookup after the other, until one serves the user's bucket.
async fn ask(args: &Args) -> anyhow::Result<GetUserEmbeddingResponse> {
    for address in &args.lookup {
        let reply = ask_one(args, address).await?;
        if reply.user.as_ref().is_none_or(|user| user.status() != Status::NotServed) {
            return Ok(reply);
        }
    }
    let (user_id, asked) = (&args.user_id, args.lookup.join(", "));
    Err(anyhow!(
        "none of {asked} serves the shard of user `{user_id}`; give --lookup one replica of each shard, separated by commas"
    ))
    .fault(FaultKind::Configuration)
}

async fn ask_one(args: &Args, address: &str) -> anyhow::Result<GetUserEmbeddingResponse> {
    let mut client = EmbeddingLookupClient::new(args.token.connect("--lookup", address).await?);
    let options = ReadOptions {
        require_tower_pair: args.require_tower_pair.clone().unwrap_or_default(),
        fallback: if args.or_mean { Fallback::PopulationMean } else { Fallback::None } as i32,
        encoding: Encoding::Float32Values as i32,
        max_age: None,
    };
    let request = GetUserEmbeddingRequest { user_id: args.user_id.clone(), options: Some(options) };
    let reply = client.get_user_embedding(request).await;
    reply.map(tonic::Response::into_inner).map_err(|status| refused(&status, "call the lookup"))
}

fn text(args: &Args, reply: &GetUserEmbeddingResponse) -> String {
    let user = reply.user.clone().unwrap_or_default();
    let snapshot = reply.snapshot.clone().unwrap_or_default();
    let status = user.status().as_str_name().trim_start_matches("STATUS_").to_lowercase().replace('_', " ");
    let mut lines = vec![format!("user            {} ({status})", args.user_id)];
    if let Some(computed_at) = &user.computed_at {
        lines.push(format!("computed at     end of {}", Day::of_timestamp(computed_at.seconds - 1)));
    }
    if let Some(last_action_at) = &user.last_action_at {
        lines.push(format!("last action     {}", Day::of_timestamp(last_action_at.seconds)));
    }
    lines.push(format!("snapshot        {}", snapshot.snapshot_id));
    lines.push(format!("model           {}", snapshot.model_id));
    lines.push(format!("tower pair      {}", snapshot.tower_pair_id));
    let age_s = snapshot.age.map_or(0, |age| age.seconds);
    lines.push(format!("age             {} d {} h", age_s / 86_400, age_s % 86_400 / 3_600));
    if let Some(Embedding { values, .. }) = &user.embedding {
        let whose = if user.source() == Source::PopulationMean { "mean of users" } else { "embedding" };
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        let shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
        let more = if values.len() > SHOWN { ", …" } else { "" };
        lines.push(format!(
            "{whose:<16}[{}{more}]  {} numbers, norm {norm:.4}",
            shown.join(", "),
            values.len()
        ));
    }
    lines.iter().map(|line| format!("{}\n", escaped(line))).collect()
}

fn json(args: &Args, reply: &GetUserEmbeddingResponse) -> String {
    let user = reply.user.clone().unwrap_or_default();
    let snapshot = reply.snapshot.clone().unwrap_or_default();
    let answer = serde_json::json!({
        "user_id": args.user_id,
        "status": user.status().as_str_name(),
        "source": user.source().as_str_name(),
        "computed_at": user.computed_at.map(|at| at.seconds),
        "last_action_at": user.last_action_at.map(|at| at.seconds),
        "snapshot_id": snapshot.snapshot_id,
        "model_id": snapshot.model_id,
        "tower_pair_id": snapshot.tower_pair_id,
        "day": snapshot.day,
        "age_s": snapshot.age.map(|age| age.seconds),
        "embedding": user.embedding.map(|embedding| embedding.values),
    });
    format!("{answer:#}\n")
}
