//! The gRPC words of dayvec, generated from `proto/`: messages and client of the lookup in [`lookup::v1`], its server in
//! [`lookup::server`], everything of the trainer in [`trainer::v1`], and the descriptors that reflection answers with.
//!
//! Nothing else belongs here but [`Encoded`], which lets the server write its hot replies as bytes.

mod encoded;

pub use encoded::Encoded;

/// The lookup service.
pub mod lookup {
    /// Messages and `embedding_lookup_client`.
    #[allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/dayvec.lookup.v1.rs"));
    }

    /// `embedding_lookup_server`, whose embedding replies are [`crate::Encoded`].
    #[allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated"
    )]
    pub mod server {
        include!(concat!(env!("OUT_DIR"), "/server/dayvec.lookup.v1.rs"));
    }
}

/// The trainer service.
pub mod trainer {
    /// Messages, `trainer_client` and `trainer_server`.
    #[allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/dayvec.trainer.v1.rs"));
    }
}

/// Encoded `FileDescriptorSet` of the lookup, comments included: what its server reflection tells.
pub const LOOKUP_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lookup.bin"));

/// The same of the trainer.
pub const TRAINER_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trainer.bin"));
