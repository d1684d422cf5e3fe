//! Compiles the protobuf contracts; needs no `protoc`. Leaves the descriptors for gRPC reflection.

use std::path::PathBuf;

use prost::Message as _;

const ROOT: &str = "../../proto";
const FILES: [&str; 10] = [
    "countersign/common/v1/common.proto",
    "countersign/crmsync/v1/crmsync.proto",
    "countersign/crmsync/v1/events.proto",
    "countersign/envelope/v1/envelope.proto",
    "countersign/envelope/v1/events.proto",
    "countersign/ingress/v1/events.proto",
    "countersign/ledger/v1/events.proto",
    "countersign/ledger/v1/ledger.proto",
    "countersign/verification/v1/events.proto",
    "countersign/verification/v1/verification.proto",
];

/// Messages that carry personal data or secrets in clear: `src/redacted.rs` says what they show of themselves.
const REDACTED: [&str; 13] = [
    ".countersign.crmsync.v1.PlannedWrite",
    ".countersign.envelope.v1.CreateEnvelopeRequest",
    ".countersign.envelope.v1.CreateEnvelopeRequest.document",
    ".countersign.envelope.v1.DownloadArtifactResponse",
    ".countersign.envelope.v1.EditFieldsRequest",
    ".countersign.envelope.v1.Envelope",
    ".countersign.envelope.v1.FieldEdit",
    ".countersign.envelope.v1.NewParty",
    ".countersign.envelope.v1.Party",
    ".countersign.envelope.v1.Template",
    ".countersign.envelope.v1.Upload",
    ".countersign.verification.v1.CorrelationData",
    ".countersign.verification.v1.Delivery",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().btree_map(".").skip_debug(REDACTED).compile_fds(descriptors)?;
    Ok(())
}
