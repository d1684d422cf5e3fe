//! Verification per 4 KiB body: with one key, and with the two of a rotation.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secrecy::SecretString;
use signatures::{VerifyKey, decode_hex_digest, hmac_sha256, which_key};

fn key(secret: &str) -> VerifyKey {
    VerifyKey::new("k", SecretString::from(secret.to_owned())).expect("invariant: a well-formed key")
}

fn verify(criterion: &mut Criterion) {
    let body = vec![b'x'; 4096];
    let header = hmac_sha256(b"new", &[&body]).map(|byte| format!("{byte:02x}")).concat();
    let mut group = criterion.benchmark_group("verify_4_kib");
    group.throughput(Throughput::Bytes(4096));
    for (name, keys) in [("one_key", vec![key("new")]), ("two_keys", vec![key("old"), key("new")])] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let received = decode_hex_digest(black_box(header.as_bytes())).expect("invariant: 64 digits");
                which_key(&keys, &[&[black_box(&body)]], &received)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
