//! The workspace as cargo and the file system see it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// One of our crates.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root of the repository.
    pub folder: String,
    /// What it depends on, with the kind: `normal`, `dev` or `build`.
    pub dependencies: Vec<(String, String)>,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests live one folder below the root")
}

/// Every crate of the workspace.
pub fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    list(&metadata["packages"]).iter().map(package).collect()
}

fn package(told: &Value) -> Package {
    let manifest = PathBuf::from(text(&told["manifest_path"]));
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root()).ok());
    Package {
        name: text(&told["name"]),
        folder: folder.expect("our crates lie in the repository").display().to_string(),
        dependencies: list(&told["dependencies"])
            .iter()
            .map(|told| (text(&told["name"]), told["kind"].as_str().unwrap_or("normal").to_owned()))
            .collect(),
    }
}

/// Every Rust file below `folders`, with its path relative to the root and its text.
pub fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("it lies below the root").display().to_string();
                found.push((name, std::fs::read_to_string(&path).expect("sources are text")));
            }
        }
    }
    assert!(!found.is_empty(), "there are sources");
    found.sort();
    found
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
