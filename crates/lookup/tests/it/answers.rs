//! What is answered: found, absent, fallbacks, encodings, and every way to ask wrongly.

use dayvec_proto::lookup::v1::{
    BatchGetUserEmbeddingsRequest, Encoding, Fallback, GetItemEmbeddingsRequest, GetUserEmbeddingRequest,
    ReadOptions, Source, Status,
};
use dayvec_snapshot::{ElementType, Reason};
use half::f16;
use tonic::Code;

use crate::world::{Client, N_USERS, Service, World, ask, day, embedding, floats};

async fn serving() -> (World, Service, Client) {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&manifest).await;
    let client = service.client().await;
    (world, service, client)
}

fn batch<S: ToString>(user_ids: &[S], options: Option<ReadOptions>) -> BatchGetUserEmbeddingsRequest {
    BatchGetUserEmbeddingsRequest { user_ids: user_ids.iter().map(ToString::to_string).collect(), options }
}

#[tokio::test]
async fn a_user_is_answered_with_everything_there_is_to_say() {
    let (_world, service, mut client) = serving().await;
    let reply = client.get_user_embedding(ask("7")).await.unwrap().into_inner();
    let (user, snapshot) = (reply.user.unwrap(), reply.snapshot.unwrap());
    assert_eq!((user.status(), user.source()), (Status::Found, Source::Own));
    assert_eq!(user.computed_at.unwrap().seconds, day(1).end_s());
    assert_eq!(user.last_action_at.unwrap().seconds, day(1).start_s() + 7);
    let sent = user.embedding.unwrap();
    assert_eq!(sent.encoding(), Encoding::Float32);
    assert_eq!(floats(&sent.data), embedding(day(1), 7));
    assert!(snapshot.snapshot_id.starts_with("2026-01-01/"), "{}", snapshot.snapshot_id);
    assert_eq!((&*snapshot.model_id, &*snapshot.tower_pair_id, snapshot.dim), ("model-1", "pair-1", 4));
    assert_eq!((&*snapshot.day, snapshot.as_of.unwrap().seconds), ("2026-01-01", day(1).end_s()));
    assert!(snapshot.age.is_some());
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_unknown_user_is_an_answer() {
    let (_world, service, mut client) = serving().await;
    for absent in ["300", "-1", "07", " 7", "pin-0", "ünbekannt"] {
        let user = client.get_user_embedding(ask(absent)).await.unwrap().into_inner().user.unwrap();
        assert_eq!((user.status(), user.source()), (Status::NotFound, Source::Unspecified), "{absent}");
        assert_eq!((user.embedding, user.computed_at, user.last_action_at), (None, None, None), "{absent}");
    }
    let options = ReadOptions { fallback: Fallback::PopulationMean as i32, ..Default::default() };
    let request = batch(&["300", "7"], Some(options));
    let users = client.batch_get_user_embeddings(request).await.unwrap().into_inner().users;
    assert_eq!((users[0].status(), users[0].source()), (Status::NotFound, Source::PopulationMean));
    assert_eq!((users[1].status(), users[1].source()), (Status::Found, Source::Own));
    let mean = floats(&users[0].embedding.as_ref().unwrap().data);
    let mut expected = [0.0_f64; 4];
    for user in 0..N_USERS {
        embedding(day(1), user)
            .iter()
            .zip(&mut expected)
            .for_each(|(number, sum)| *sum += f64::from(*number));
    }
    let norm = expected.iter().map(|number| number * number).sum::<f64>().sqrt();
    for (number, expected) in mean.iter().zip(expected) {
        assert!((f64::from(*number) - expected / norm).abs() < 1e-6, "{mean:?}");
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_keeps_the_order_and_equals_single_answers() {
    let (_world, service, mut client) = serving().await;
    let ids = ["299", "unknown", "0", "7", "299"];
    let reply = client.batch_get_user_embeddings(batch(&ids, None)).await.unwrap().into_inner();
    assert_eq!(reply.users.len(), ids.len());
    for (id, user) in ids.iter().zip(&reply.users) {
        let single = client.get_user_embedding(ask(id)).await.unwrap().into_inner();
        assert_eq!(single.user.as_ref(), Some(user), "{id}");
    }
    let largest: Vec<usize> = (0..100).collect();
    let reply = client.batch_get_user_embeddings(batch(&largest, None)).await.unwrap().into_inner();
    for (user, answer) in largest.iter().zip(&reply.users) {
        assert_eq!(floats(&answer.embedding.as_ref().unwrap().data), embedding(day(1), *user));
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn items_come_from_the_same_snapshot() {
    let (_world, service, mut client) = serving().await;
    let item_ids = ["pin-1", "7", "pin-0"].map(str::to_owned).to_vec();
    let request = GetItemEmbeddingsRequest { item_ids, options: None };
    let reply = client.get_item_embeddings(request).await.unwrap().into_inner();
    let statuses: Vec<Status> = reply.items.iter().map(|item| item.status()).collect();
    assert_eq!(statuses, [Status::Found, Status::NotFound, Status::Found]);
    assert_eq!(floats(&reply.items[0].embedding.as_ref().unwrap().data), embedding(day(1), 1001));
    assert_eq!(floats(&reply.items[2].embedding.as_ref().unwrap().data), embedding(day(1), 1000));
    assert_eq!(reply.snapshot.unwrap().tower_pair_id, "pair-1");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn the_client_chooses_the_encoding_whatever_the_snapshot_has() {
    for element_type in [ElementType::F32, ElementType::F16] {
        let world = World::new();
        let (publisher, manifest) = world.write(day(1), element_type).await;
        publisher.announce(Reason::Publish, "test", false).await.unwrap();
        let service = world.serve().await;
        service.until_serving(&manifest).await;
        let mut client = service.client().await;
        for encoding in [Encoding::Float32, Encoding::Float16, Encoding::Int8, Encoding::Float32Values] {
            let options = Some(ReadOptions { encoding: encoding as i32, ..Default::default() });
            let request = GetUserEmbeddingRequest { user_id: "7".into(), options };
            let reply = client.get_user_embedding(request).await.unwrap().into_inner();
            let sent = reply.user.unwrap().embedding.unwrap();
            assert_eq!(sent.encoding(), encoding);
            let received: Vec<f32> = match encoding {
                Encoding::Float16 => {
                    let halves = sent.data.chunks_exact(2);
                    halves.map(|bytes| f16::from_le_bytes(bytes.try_into().unwrap()).to_f32()).collect()
                }
                Encoding::Int8 => sent.data.iter().map(|&byte| f32::from(byte as i8) * sent.scale).collect(),
                Encoding::Float32Values => sent.values,
                _ => floats(&sent.data),
            };
            let exact = element_type == ElementType::F32
                && matches!(encoding, Encoding::Float32 | Encoding::Float32Values);
            let tolerance = if exact { 0.0 } else { 0.005 };
            for (received, expected) in received.iter().zip(embedding(day(1), 7)) {
                assert!(
                    (received - expected).abs() <= tolerance,
                    "{element_type} {encoding:?} {received} {expected}"
                );
            }
        }
        service.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_older_snapshot_than_asked_for_is_told() {
    let (_world, service, mut client) = serving().await;
    let max_age = |seconds| ReadOptions {
        max_age: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..Default::default()
    };
    let request = batch(&["7", "unknown"], Some(max_age(3600)));
    let users = client.batch_get_user_embeddings(request).await.unwrap().into_inner().users;
    assert_eq!((users[0].status(), &users[0].embedding), (Status::TooOld, &None));
    assert_eq!(users[0].computed_at.unwrap().seconds, day(1).end_s());
    assert_eq!(users[1].status(), Status::NotFound);
    let century = batch(&["7"], Some(max_age(100 * 365 * 86_400)));
    let users = client.batch_get_user_embeddings(century).await.unwrap().into_inner().users;
    assert_eq!(users[0].status(), Status::Found);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let (_world, service, mut client) = serving().await;
    let options = |options| Some(options);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let too_many: Vec<usize> = (0..101).collect();
    let long = "x".repeat(513);
    let cases = [
        (batch::<&str>(&[], None), Code::InvalidArgument, "user_ids: is empty"),
        (batch(&["1", ""], None), Code::InvalidArgument, "user_ids[1]: is empty"),
        (batch(&[long], None), Code::InvalidArgument, "max_id_bytes = 512"),
        (batch(&too_many, None), Code::ResourceExhausted, "user_ids: 101 exceeds max_batch_keys = 100"),
        (
            batch(&["1"], options(ReadOptions { encoding: 9, ..Default::default() })),
            Code::InvalidArgument,
            "options.encoding: 9 is not a known encoding",
        ),
        (
            batch(&["1"], options(ReadOptions { fallback: 9, ..Default::default() })),
            Code::InvalidArgument,
            "options.fallback: 9 is not a known fallback",
        ),
        (
            batch(&["1"], options(ReadOptions { max_age: negative, ..Default::default() })),
            Code::InvalidArgument,
            "options.max_age: is negative",
        ),
        (
            batch(&["1"], options(ReadOptions { require_tower_pair: "pair-2".into(), ..Default::default() })),
            Code::FailedPrecondition,
            "`pair-2` is required, but snapshot 2026-01-01/",
        ),
    ];
    for (request, code, message) in cases {
        let status = client.batch_get_user_embeddings(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{message} is missing from {status}");
    }
    let status = client.get_user_embedding(ask("")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "user_id: is empty"));
    let item_ids = vec![String::new()];
    let status =
        client.get_item_embeddings(GetItemEmbeddingsRequest { item_ids, options: None }).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "item_ids[0]: is empty"));
    let pair = ReadOptions { require_tower_pair: "pair-1".into(), ..Default::default() };
    client.batch_get_user_embeddings(batch(&["1"], Some(pair))).await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_reply_over_the_limit_is_refused_before_it_is_made() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let mut config = world.config();
    config.limits.max_reply_bytes = 1000;
    let service = crate::world::serve(config).await;
    service.until_serving(&manifest).await;
    let mut client = service.client().await;
    let many: Vec<usize> = (0..50).collect();
    let status = client.batch_get_user_embeddings(batch(&many, None)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("max_reply_bytes = 1000"), "{status}");
    client.get_user_embedding(ask("1")).await.unwrap();
    service.stop().await.unwrap();
}
