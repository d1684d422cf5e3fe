#![allow(missing_docs, clippy::all, clippy::allow_attributes)]
use event_log::*;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ProjectionError;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct ViewError;
impl ViewError {
    pub fn new(_: String) -> Self {
        Self
    }
}
pub struct Rows;
impl Rows {
    pub fn get(&self, _t: &str, _k: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(None)
    }
    pub fn put(&mut self, _t: &str, _k: &[u8], _v: &[u8]) -> Result<(), ViewError> {
        Ok(())
    }
    pub fn remove(&mut self, _t: &str, _k: &[u8]) -> Result<(), ViewError> {
        Ok(())
    }
}
pub trait View {
    fn name(&self) -> &str;
    fn version(&self) -> u32;
    fn apply(&self, r: &Recorded, rows: &mut Rows) -> Result<(), ViewError>;
}
pub struct Projection<V>(V);
impl<V: View> Projection<V> {
    pub async fn open(_d: &Path, _l: EventLog, _c: Category, v: V) -> Result<Self, ProjectionError> {
        Ok(Self(v))
    }
    pub async fn run(&self, _s: CancellationToken) -> Result<(), ProjectionError> {
        Ok(())
    }
    pub fn position(&self) -> Position {
        Position(0)
    }
    pub async fn wait_for(&self, _p: Position, _d: Duration) -> Result<(), ProjectionError> {
        Ok(())
    }
    pub fn get(&self, _t: &str, _k: &[u8]) -> Result<Option<Vec<u8>>, ProjectionError> {
        Ok(None)
    }
    pub fn scan(
        &self,
        _t: &str,
        _p: &[u8],
        _l: usize,
        _a: Option<&[u8]>,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ProjectionError> {
        Ok(vec![])
    }
}
