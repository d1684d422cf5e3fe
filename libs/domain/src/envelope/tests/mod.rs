//! Stories and laws of the envelope.

mod bounds;
mod closing;
mod creation;
mod editing;
mod given;
mod laws;
mod order_of_arrival;
mod reconciling;
mod reopening;
mod sending;
mod signing;
mod strategies;
mod table;
mod waiting;
