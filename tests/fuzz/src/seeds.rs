//! Known good inputs.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The bodies of the contracts' vectors of these kinds.
pub fn vectors(kinds: &[&str]) -> Vec<Vec<u8>> {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../../../libs/crms/tests/vectors.json")).unwrap_or_default();
    let wanted = all.iter().filter(|vector| kinds.iter().any(|kind| vector["kind"] == *kind));
    wanted.filter_map(|vector| Some(vector["body"].as_str()?.as_bytes().to_vec())).collect()
}

/// The lines of one file in `seeds/`: each a body.
pub fn examples(name: &str) -> Vec<Vec<u8>> {
    let path = folder().join("seeds").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.is_empty()).map(|line| line.as_bytes().to_vec()).collect()
}

/// Every golden event of a category: `(kind, schema)` and its bytes.
///
/// # Panics
/// When a golden file is not what it should be.
pub fn golden(category: &str) -> (Vec<(String, u32)>, Vec<Vec<u8>>) {
    let folder = folder().join("../../libs/contracts/tests/golden").join(category);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("golden files").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        let (name, schema) = name.rsplit_once(".v").expect("a name with a schema");
        let name = name.split('-').next().expect("a name");
        let bytes = std::fs::read_to_string(file).expect("a text");
        let bytes = hex::decode(bytes.trim()).expect("hexadecimal");
        ((format!("{category}.{name}"), schema.parse().expect("a number")), bytes)
    };
    files.iter().map(read).unzip()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
