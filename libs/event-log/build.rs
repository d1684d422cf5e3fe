//! Compiles the wire form of a commit record; needs no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    let record = "countersign/log/v1/commit.proto";
    println!("cargo::rerun-if-changed={root}/{record}");
    let files = protox::compile([record], [root])?;
    let payload = ".countersign.log.v1.EventRecord.payload";
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(payload)
        .compile_fds(files)?;
    Ok(())
}
