//! Generates clients, messages and servers from `proto/`, without a system protoc. The lookup's server is generated
//! apart, for it sends some replies as bytes.

use std::{env, fs, io, path::PathBuf};

use prost::Message as _;

const PACKAGE: &str = ".dayvec.lookup.v1";
const LOOKUP: &str = "dayvec/lookup/v1/lookup.proto";
const TRAINER: &str = "dayvec/trainer/v1/trainer.proto";

/// Replies that the server writes as bytes itself; see `Encoded`.
const ENCODED: [&str; 3] =
    ["GetUserEmbeddingResponse", "BatchGetUserEmbeddingsResponse", "GetItemEmbeddingsResponse"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed={}", root.display());

    let compile = |name: &str, proto: &str| -> io::Result<_> {
        let descriptors = protox::compile([proto], [&root]).map_err(io::Error::other)?;
        fs::write(out.join(format!("{name}.bin")), descriptors.encode_to_vec())?;
        Ok(descriptors)
    };
    tonic_prost_build::configure().compile_fds(compile("trainer", TRAINER)?)?;
    let descriptors = compile("lookup", LOOKUP)?;

    tonic_prost_build::configure()
        .build_server(false)
        .bytes(format!("{PACKAGE}.Embedding.data"))
        .compile_fds(descriptors.clone())?;

    let server_dir = out.join("server");
    fs::create_dir_all(&server_dir)?;
    let mut server = tonic_prost_build::configure().build_client(false).out_dir(server_dir);
    server = server.extern_path(PACKAGE, "crate::lookup::v1");
    for name in ENCODED {
        server = server.extern_path(format!("{PACKAGE}.{name}"), "crate::Encoded");
    }
    server.compile_fds(descriptors)
}
