//! The gRPC words of dayvec, generated from `proto/`: messages and client in [`lookup::v1`], the server in
//! [`lookup::server`], and the descriptors that reflection answers with.
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

/// Encoded `FileDescriptorSet` of every service here, comments included: what server reflection tells.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
