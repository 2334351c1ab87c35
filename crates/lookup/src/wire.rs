//! Replies, written straight from the index into the bytes of their protobuf messages: one allocation a reply.
//!
//! The tests hold every byte against the generated messages of `lookup.proto`, which stays the reference.

use bytes::{BufMut as _, Bytes, BytesMut};
use dayvec_proto::lookup::v1::{self, Encoding, Source, Status};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::vector::{Vector, bytes_of};

/// Field numbers of `lookup.proto`.
mod field {
    pub(super) const REPLY_ROWS: u32 = 1;
    pub(super) const REPLY_SNAPSHOT: u32 = 2;
    pub(super) const STATUS: u32 = 1;
    pub(super) const USER_SOURCE: u32 = 2;
    pub(super) const USER_EMBEDDING: u32 = 3;
    pub(super) const USER_COMPUTED_AT: u32 = 4;
    pub(super) const USER_LAST_ACTION_AT: u32 = 5;
    pub(super) const ITEM_EMBEDDING: u32 = 2;
    pub(super) const EMBEDDING_ENCODING: u32 = 1;
    pub(super) const EMBEDDING_DATA: u32 = 2;
    pub(super) const EMBEDDING_SCALE: u32 = 3;
    pub(super) const EMBEDDING_VALUES: u32 = 4;
    pub(super) const TIMESTAMP_SECONDS: u32 = 1;
    pub(super) const SNAPSHOT_AGE: u32 = 7;
}

/// Bytes of a row besides its numbers, at most: keys, lengths, enums, scale and two times.
const ROW_OVERHEAD_BYTES: usize = 64;

/// One answer, for a user or an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) status: Status,
    /// Where the embedding comes from, and its numbers.
    pub(crate) embedding: Option<(Source, Vector<'a>)>,
    /// Computed at, last action at; Unix seconds.
    pub(crate) times: Option<(i64, i64)>,
}

/// A reply under construction.
#[derive(Debug)]
pub(crate) struct ReplyWriter {
    bytes: BytesMut,
    encoding: Encoding,
}

/// Bytes of a reply of `n_rows` embeddings, at most.
pub(crate) const fn most_bytes(n_rows: usize, dim: usize, encoding: Encoding, snapshot_len: usize) -> usize {
    n_rows * (ROW_OVERHEAD_BYTES + dim * bytes_of(encoding)) + ROW_OVERHEAD_BYTES + snapshot_len
}

impl ReplyWriter {
    /// Begin a reply of at most `most_bytes`.
    pub(crate) fn new(encoding: Encoding, most_bytes: usize) -> Self {
        let encoding = if encoding == Encoding::Unspecified { Encoding::Float32 } else { encoding };
        Self { bytes: BytesMut::with_capacity(most_bytes), encoding }
    }

    /// Add the answer for a user.
    pub(crate) fn user(&mut self, answer: &Answer<'_>) {
        let times = answer.times.map(|(computed_at, last_action_at)| {
            [(field::USER_COMPUTED_AT, computed_at), (field::USER_LAST_ACTION_AT, last_action_at)]
        });
        let embedding_len = self.embedding_len(answer);
        let mut len = enum_len(answer.status as i32) + nested_len(field::USER_EMBEDDING, embedding_len);
        len += enum_len(answer.embedding.map_or(0, |(source, _)| source as i32));
        len += times
            .iter()
            .flatten()
            .map(|&(tag, seconds)| nested_len(tag, Some(timestamp_len(seconds))))
            .sum::<usize>();
        self.nested(field::REPLY_ROWS, len);
        self.put_enum(field::STATUS, answer.status as i32);
        self.put_enum(field::USER_SOURCE, answer.embedding.map_or(0, |(source, _)| source as i32));
        self.put_embedding(field::USER_EMBEDDING, answer, embedding_len);
        for (tag, seconds) in times.iter().flatten() {
            self.nested(*tag, timestamp_len(*seconds));
            if *seconds != 0 {
                encode_key(field::TIMESTAMP_SECONDS, WireType::Varint, &mut self.bytes);
                encode_varint(*seconds as u64, &mut self.bytes);
            }
        }
    }

    /// Add the answer for an item.
    pub(crate) fn item(&mut self, answer: &Answer<'_>) {
        let embedding_len = self.embedding_len(answer);
        let len = enum_len(answer.status as i32) + nested_len(field::ITEM_EMBEDDING, embedding_len);
        self.nested(field::REPLY_ROWS, len);
        self.put_enum(field::STATUS, answer.status as i32);
        self.put_embedding(field::ITEM_EMBEDDING, answer, embedding_len);
    }

    /// End the reply with the snapshot: the part that never changes, encoded, and its age.
    pub(crate) fn finish(mut self, snapshot: &[u8], age: prost_types::Duration) -> Bytes {
        let age_len = age.encoded_len();
        self.nested(field::REPLY_SNAPSHOT, snapshot.len() + nested_len(field::SNAPSHOT_AGE, Some(age_len)));
        self.bytes.put_slice(snapshot);
        self.nested(field::SNAPSHOT_AGE, age_len);
        age.encode_raw(&mut self.bytes);
        self.bytes.freeze()
    }

    fn nested(&mut self, tag: u32, len: usize) {
        encode_key(tag, WireType::LengthDelimited, &mut self.bytes);
        encode_varint(len as u64, &mut self.bytes);
    }

    fn put_enum(&mut self, tag: u32, value: i32) {
        if value != 0 {
            encode_key(tag, WireType::Varint, &mut self.bytes);
            encode_varint(value as u64, &mut self.bytes);
        }
    }

    fn embedding_len(&self, answer: &Answer<'_>) -> Option<usize> {
        let (_, vector) = answer.embedding?;
        let data_len = vector.len() * bytes_of(self.encoding);
        // The int8 scale is always sent, zero included: key and four bytes.
        let scale_len = if self.encoding == Encoding::Int8 { key_len(field::EMBEDDING_SCALE) + 4 } else { 0 };
        Some(enum_len(self.encoding as i32) + nested_len(field::EMBEDDING_DATA, Some(data_len)) + scale_len)
    }

    fn put_embedding(&mut self, tag: u32, answer: &Answer<'_>, len: Option<usize>) {
        let (Some((_, vector)), Some(len)) = (answer.embedding, len) else { return };
        self.nested(tag, len);
        self.put_enum(field::EMBEDDING_ENCODING, self.encoding as i32);
        // A packed repeated float is the same bytes as the float32 data, under another number.
        let is_values = self.encoding == Encoding::Float32Values;
        let data = if is_values { field::EMBEDDING_VALUES } else { field::EMBEDDING_DATA };
        let scale = if self.encoding == Encoding::Int8 { vector.scale() } else { 0.0 };
        self.nested(data, vector.len() * bytes_of(self.encoding));
        vector.put(self.encoding, scale, &mut self.bytes);
        if self.encoding == Encoding::Int8 {
            encode_key(field::EMBEDDING_SCALE, WireType::ThirtyTwoBit, &mut self.bytes);
            self.bytes.put_f32_le(scale);
        }
    }
}

/// The part of a snapshot's message that never changes.
pub(crate) fn snapshot(message: &v1::Snapshot) -> Bytes {
    v1::Snapshot { age: None, ..message.clone() }.encode_to_vec().into()
}

const fn enum_len(value: i32) -> usize {
    // Every enum value and its field number fit in one byte each.
    if value == 0 { 0 } else { 2 }
}

fn nested_len(tag: u32, len: Option<usize>) -> usize {
    len.map_or(0, |len| key_len(tag) + encoded_len_varint(len as u64) + len)
}

fn timestamp_len(seconds: i64) -> usize {
    if seconds == 0 { 0 } else { key_len(field::TIMESTAMP_SECONDS) + encoded_len_varint(seconds as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Element;

    fn reply(encoding: Encoding, times: Option<(i64, i64)>) -> (Bytes, v1::BatchGetUserEmbeddingsResponse) {
        let numbers: Vec<u8> = [0.6_f32, -0.8].iter().flat_map(|number| number.to_le_bytes()).collect();
        let vector = Vector { bytes: &numbers, element: Element::F32 };
        let found = Answer { status: Status::Found, embedding: Some((Source::Own, vector)), times };
        let missing = Answer { status: Status::NotFound, embedding: None, times: None };
        let message = v1::Snapshot {
            snapshot_id: "snapshot".into(),
            model_id: "model".into(),
            tower_pair_id: "pair".into(),
            day: "2011-12-09".into(),
            as_of: Some(prost_types::Timestamp { seconds: 1_323_475_200, nanos: 0 }),
            dim: 2,
            age: Some(prost_types::Duration { seconds: 7, nanos: 5 }),
        };
        let fixed = snapshot(&message);
        let most = most_bytes(2, 2, encoding, fixed.len());
        let mut writer = ReplyWriter::new(encoding, most);
        writer.user(&found);
        writer.user(&missing);
        let bytes = writer.finish(&fixed, message.age.unwrap());
        assert!(bytes.len() <= most, "{} > {most}", bytes.len());

        let mut data = Vec::new();
        vector.put(encoding, vector.scale(), &mut data);
        let is_values = encoding == Encoding::Float32Values;
        let embedding = v1::Embedding {
            encoding: encoding as i32,
            data: if is_values { Bytes::new() } else { data.into() },
            scale: if encoding == Encoding::Int8 { vector.scale() } else { 0.0 },
            values: if is_values { vec![0.6, -0.8] } else { Vec::new() },
        };
        let seconds = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        let found = v1::UserEmbedding {
            status: Status::Found as i32,
            source: Source::Own as i32,
            embedding: Some(embedding),
            computed_at: times.map(|(computed_at, _)| seconds(computed_at)),
            last_action_at: times.map(|(_, last_action_at)| seconds(last_action_at)),
        };
        let missing = v1::UserEmbedding { status: Status::NotFound as i32, ..Default::default() };
        (bytes, v1::BatchGetUserEmbeddingsResponse { users: vec![found, missing], snapshot: Some(message) })
    }

    #[test]
    fn bytes_equal_those_of_the_generated_messages() {
        for encoding in [Encoding::Float32, Encoding::Float16, Encoding::Int8, Encoding::Float32Values] {
            for times in [Some((1_323_475_200, 1_323_400_000)), Some((0, -5)), None] {
                let (bytes, expected) = reply(encoding, times);
                assert_eq!(bytes, expected.encode_to_vec(), "{encoding:?} {times:?}");
            }
        }
    }

    #[test]
    fn items_decode_as_the_generated_message() {
        let numbers = 1.0_f32.to_le_bytes();
        let vector = Vector { bytes: &numbers, element: Element::F32 };
        let mut writer = ReplyWriter::new(Encoding::Unspecified, 0);
        writer.item(&Answer { status: Status::Found, embedding: Some((Source::Own, vector)), times: None });
        let bytes = writer.finish(&[], prost_types::Duration::default());
        let decoded = v1::GetItemEmbeddingsResponse::decode(bytes).unwrap();
        assert_eq!(decoded.items[0].status(), Status::Found);
        assert_eq!(&decoded.items[0].embedding.as_ref().unwrap().data[..], numbers);
    }
}
