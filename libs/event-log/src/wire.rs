//! The generated wire form of a commit record. Nothing of it is visible outside this crate.
#![allow(clippy::all, clippy::allow_attributes, missing_docs)]

include!(concat!(env!("OUT_DIR"), "/countersign.log.v1.rs"));
