//! Where in the file everything stands, so that a mistake can name its line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::mistake::{self, ConfigurationError, Mistake};

/// The file as a tree, every node with its line.
#[derive(Debug)]
pub(super) struct Places {
    root: Node,
    lines: BTreeMap<String, u64>,
}

/// One value of the file, its scalars left out: lines and keys are all that is kept.
#[derive(Debug)]
pub(super) enum Node {
    /// A map with its keys and their lines.
    Map(Vec<(String, u64, Node)>),
    /// A list with the lines of its items.
    List(Vec<(u64, Node)>),
    /// Anything else.
    Scalar,
    /// Nothing.
    Null,
}

impl Places {
    /// Reads the text as a tree.
    pub(super) fn read(text: &str) -> Result<Self, ConfigurationError> {
        let root = if text.trim().is_empty() {
            Node::Null
        } else {
            serde_saphyr::from_str(text).map_err(|error| mistake::from_yaml(&error))?
        };
        let mut lines = BTreeMap::new();
        index(&root, "", &mut lines);
        Ok(Self { root, lines })
    }

    pub(super) const fn root(&self) -> &Node {
        &self.root
    }

    /// Adds the lines to mistakes: that of their own path, or of the closest part of it that is in the file.
    pub(super) fn locate(&self, mistakes: Vec<Mistake>) -> Vec<Mistake> {
        mistakes
            .into_iter()
            .map(|mistake| {
                let line = mistake.line.or_else(|| self.line_of(&mistake.path));
                Mistake { line, ..mistake }
            })
            .collect()
    }

    fn line_of(&self, path: &str) -> Option<u64> {
        let mut rest = path;
        loop {
            if let Some(line) = self.lines.get(rest) {
                return Some(*line);
            }
            let cut = rest.rfind(['.', '['])?;
            rest = rest.get(..cut)?;
        }
    }
}

fn index(node: &Node, path: &str, lines: &mut BTreeMap<String, u64>) {
    match node {
        Node::Map(entries) => {
            for (key, line, child) in entries {
                let path = join(path, key);
                index(child, &path, lines);
                lines.insert(path, *line);
            }
        }
        Node::List(items) => {
            for (position, (line, child)) in items.iter().enumerate() {
                let path = format!("{path}[{position}]");
                index(child, &path, lines);
                lines.insert(path, *line);
            }
        }
        Node::Scalar | Node::Null => {}
    }
}

/// The path of a key below another path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            entries.push((key.value, line, map.next_value()?));
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Node>>()? {
            nodes.push((item.referenced.line(), item.value));
        }
        Ok(Node::List(nodes))
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}
