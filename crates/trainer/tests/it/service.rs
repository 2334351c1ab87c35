//! The trainer as a service: runs are asked for, watched, stopped, resumed, and their models promoted or refused.

use dayvec_bucket::Bucket;
use dayvec_experiment::{Config as ExperimentConfig, RawConfig};
use dayvec_proto::trainer::v1::trainer_client::TrainerClient;
use dayvec_proto::trainer::v1::{
    CancelRunRequest, GetRunRequest, ListRunsRequest, PromoteModelRequest, Run, RunState, StartRunRequest,
    WatchRunRequest,
};
use dayvec_registry::{Serving, newest_promotion, promotions, serving_model};
use dayvec_runtime::Listeners;
use dayvec_runtime::authentication::Token;
use dayvec_trainer::{Config, ServiceSettings, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::shop::{Shop, folder_of, log, trained};

/// A configuration whose training is long enough to beat popularity.
fn good(shop: &Shop) -> RawConfig {
    let mut raw = shop.raw();
    raw.run.steps = 200;
    raw
}

/// A service over a shop, and a client of it.
struct Service {
    address: std::net::SocketAddr,
    client: TrainerClient<Channel>,
    shutdown: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
    bucket: Bucket,
}

impl Service {
    async fn start(shop: &Shop, raw: RawConfig) -> Self {
        Self::start_with(shop, raw, |_| {}).await
    }

    async fn start_with(shop: &Shop, raw: RawConfig, set: impl Fn(&mut ServiceSettings)) -> Self {
        let experiment = ExperimentConfig::try_from(raw).unwrap();
        let mut config = Config { experiment, ..Config::load(None).unwrap() };
        set(&mut config.service);
        let bind = || TcpListener::bind("127.0.0.1:0");
        let listeners = Listeners { traffic: bind().await.unwrap(), admin: bind().await.unwrap() };
        let address = listeners.addresses().unwrap().0;
        let shutdown = CancellationToken::new();
        let bucket = Bucket::open(&url::Url::from_directory_path(shop.path("bucket")).unwrap()).unwrap();
        let ended = tokio::spawn(serve(config, listeners, shutdown.clone()));
        // The port is bound: the connection waits until the service accepts it.
        let client = TrainerClient::connect(format!("http://{address}")).await.unwrap();
        Self { address, client, shutdown, ended, bucket }
    }

    async fn ask(&mut self, settings: &[(&str, &str)], promote: bool) -> Run {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let request = StartRunRequest { requested_by: "a test".into(), settings, do_not_promote: !promote };
        self.client.start_run(request).await.unwrap().into_inner().run.unwrap()
    }

    /// Everything that a watcher hears.
    async fn watch(&mut self, number: u64) -> Vec<Run> {
        let request = WatchRunRequest { number };
        let mut stream = self.client.watch_run(request).await.unwrap().into_inner();
        let mut heard = Vec::new();
        while let Ok(Some(response)) = stream.message().await {
            heard.push(response.run.unwrap());
        }
        heard
    }

    /// The first state of a run, of those that a watcher hears, for which `is_it` holds.
    async fn wait_for(&mut self, number: u64, is_it: impl Fn(&Run) -> bool) -> Run {
        let request = WatchRunRequest { number };
        let mut stream = self.client.watch_run(request).await.unwrap().into_inner();
        loop {
            let run = stream.message().await.unwrap().expect("the run has not ended").run.unwrap();
            if is_it(&run) {
                return run;
            }
        }
    }

    async fn end_of(&mut self, number: u64) -> Run {
        self.watch(number).await.pop().unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_is_promoted_and_a_worse_one_refused() {
    let shop = Shop::new();
    let mut service = Service::start(&shop, good(&shop)).await;
    let asked = service.ask(&[], true).await;
    assert_eq!((asked.number, asked.requested_by.as_str()), (1, "a test"));
    let heard = service.watch(1).await;
    let first = heard.last().unwrap().clone();
    assert_eq!(first.state(), RunState::Promoted, "{first:?}");
    assert_eq!((first.attempts, first.cut_off.as_str()), (1, crate::shop::CUT_OFF));
    assert!(first.recall_at_10["model"] > first.recall_at_10["popularity"]);
    assert!(first.gates.iter().all(|gate| gate.passed) && first.ended_at.is_some());
    let serving = Some(Serving { model_id: first.model_id.clone(), is_promoted: true });
    assert_eq!(serving_model(&service.bucket).await.unwrap(), serving);

    // A model that has hardly learnt, on the same users and days.
    service.ask(&[("run.steps", "1"), ("optimizer.learning_rate", "1e-9")], true).await;
    let second = service.end_of(2).await;
    assert_eq!(second.state(), RunState::Refused, "{second:?}");
    assert!(second.reason.contains(&first.model_id) && second.reason.contains("serving model"), "{second:?}");
    assert_eq!(serving_model(&service.bucket).await.unwrap(), serving);

    let promote = |force| PromoteModelRequest {
        model_id: second.model_id.clone(),
        requested_by: "a test".into(),
        force,
    };
    let (refused, why) = code(service.client.promote_model(promote(false)).await);
    assert_eq!(refused, Code::FailedPrecondition);
    assert!(why.contains("recall@10 against the serving model") && why.contains("force"), "{why}");
    let forced = service.client.promote_model(promote(true)).await.unwrap().into_inner();
    assert_eq!((forced.sequence, &forced.previous), (2, &first.model_id));
    let newest = newest_promotion(&service.bucket).await.unwrap().unwrap();
    assert!(newest.forced && newest.model_id == second.model_id);

    std::fs::remove_dir_all(shop.path("bucket/checkpoints").join(&second.model_id)).unwrap();
    let promote_first = |force| PromoteModelRequest {
        model_id: first.model_id.clone(),
        force,
        ..PromoteModelRequest::default()
    };
    let (refused, why) = code(service.client.promote_model(promote_first(false)).await);
    assert_eq!(refused, Code::FailedPrecondition);
    assert!(why.contains(&second.model_id) && why.contains("is missing") && why.contains("force"), "{why}");
    let forced = service.client.promote_model(promote_first(true)).await.unwrap().into_inner();
    assert_eq!((forced.sequence, &forced.previous), (3, &second.model_id));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_interrupted_ends_with_the_same_weights() {
    let straight = Shop::new();
    let mut raw = straight.raw();
    raw.run.steps = 60;
    let config = ExperimentConfig::try_from(raw).unwrap();
    let report = std::thread::spawn(move || trained(&config)).join().unwrap();
    let weights = |checkpoint: &str| std::fs::read(folder_of(checkpoint).join("model.safetensors")).unwrap();

    let shop = Shop::new();
    let mut service = Service::start(&shop, shop.raw()).await;
    service.ask(&[("run.steps", "60")], false).await;
    service.wait_for(1, |run| run.progress.as_ref().is_some_and(|progress| progress.stage == "train")).await;
    service.stop().await;
    assert!(!shop.path("bucket/checkpoints").exists(), "it was over before it was interrupted");

    let mut service = Service::start(&shop, shop.raw()).await;
    let run = service.end_of(1).await;
    assert_eq!((run.state(), run.attempts), (RunState::Trained, 2), "{run:?}");
    assert_eq!(run.model_id, report.model_id);
    let checkpoint = format!("{}checkpoints/{}", service.bucket.url(), run.model_id);
    assert!(weights(&checkpoint) == weights(&report.checkpoint), "the weights differ");
    assert!(promotions(&service.bucket).await.unwrap().whole.is_empty(), "it was not to be promoted");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_stopped_in_the_queue_and_under_way() {
    let shop = Shop::new();
    let mut service = Service::start(&shop, shop.raw()).await;
    service.ask(&[("run.steps", "100000")], true).await;
    service.ask(&[], true).await;
    for number in [2, 1] {
        let request = CancelRunRequest { number, requested_by: "a test".into() };
        service.client.cancel_run(request).await.unwrap();
    }
    for number in [1, 2] {
        assert_eq!(service.end_of(number).await.state(), RunState::Cancelled);
    }
    let again = CancelRunRequest { number: 1, requested_by: String::new() };
    assert_eq!(code(service.client.cancel_run(again).await).0, Code::FailedPrecondition);
    let runs = service.client.list_runs(ListRunsRequest { limit: 1 }).await.unwrap().into_inner().runs;
    assert_eq!(runs.iter().map(|run| run.number).collect::<Vec<_>>(), [2]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_say_what_is_wrong() {
    let shop = Shop::new();
    let mut service = Service::start(&shop, shop.raw()).await;
    let settings =
        [("run.stepz".to_owned(), "5".to_owned()), ("model.dim".to_owned(), "-1".to_owned())].into();
    let request = StartRunRequest { requested_by: String::new(), settings, do_not_promote: false };
    let (wrong, why) = code(service.client.start_run(request).await);
    assert_eq!(wrong, Code::InvalidArgument);
    assert!(why.contains("run.stepz") && why.contains("model.dim"), "{why}");
    for name in ["bucket", "work_dir", "events.url", "service.listen", "items.read"] {
        let settings = [(name.to_owned(), "elsewhere".to_owned())].into();
        let request = StartRunRequest { requested_by: String::new(), settings, do_not_promote: false };
        let (wrong, why) = code(service.client.start_run(request).await);
        assert_eq!(wrong, Code::InvalidArgument);
        assert!(why.contains(name) && why.contains("operator"), "{why}");
    }
    let absent = service.client.get_run(GetRunRequest { number: 7 }).await;
    assert_eq!(code(absent), (Code::NotFound, "number: there is no run 7".to_owned()));
    let promote = |model_id: &str| PromoteModelRequest {
        model_id: model_id.into(),
        requested_by: String::new(),
        force: true,
    };
    let (absent, why) = code(service.client.promote_model(promote("nothing")).await);
    assert_eq!(absent, Code::NotFound);
    assert!(why.contains("nothing"), "{why}");
    assert_eq!(code(service.client.promote_model(promote("../x")).await).0, Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_a_bad_log_fails_and_says_why() {
    let shop = Shop::new();
    shop.write_log(&log().replace(",purchase,", ",view,"));
    let mut service = Service::start(&shop, shop.raw()).await;
    service.ask(&[], true).await;
    let run = service.end_of(1).await;
    assert_eq!(run.state(), RunState::Failed);
    assert!(run.reason.contains("no positive event"), "{}", run.reason);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_names_the_client() {
    let shop = Shop::new();
    let token = "0123456789abcdef";
    let tokens = shop.path("tokens");
    std::fs::write(shop.path("tokens"), format!("ops {token}\n")).unwrap();
    let mut service =
        Service::start_with(&shop, shop.raw(), |service| service.tokens_file = Some(tokens.clone())).await;
    let (refused, why) = code(service.client.list_runs(ListRunsRequest { limit: 1 }).await);
    assert_eq!(refused, Code::Unauthenticated);
    assert!(why.contains("authorization: Bearer TOKEN"), "{why}");

    let channel = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut ops = TrainerClient::with_interceptor(channel, Token::given(token, "test").unwrap());
    let asked = |by: &str| StartRunRequest { requested_by: by.into(), ..StartRunRequest::default() };
    for (by, known) in [("a test", "a test, as ops"), ("", "ops")] {
        let run = ops.start_run(asked(by)).await.unwrap().into_inner().run.unwrap();
        assert_eq!(run.requested_by, known);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cannot_be_cancelled_during_its_promotion() {
    let shop = Shop::new();
    let mut service = Service::start(&shop, shop.raw()).await;
    service.ask(&[], true).await;
    service.wait_for(1, |run| !matches!(run.state(), RunState::Queued | RunState::Running)).await;
    let request = CancelRunRequest { number: 1, requested_by: String::new() };
    assert_eq!(code(service.client.cancel_run(request).await).0, Code::FailedPrecondition);
    let end = service.end_of(1).await.state();
    assert!(matches!(end, RunState::Promoted | RunState::Refused), "{end:?}");
    service.stop().await;
}
