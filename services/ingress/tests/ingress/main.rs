//! The door, judged from outside: real HTTP, a scripted verification over real gRPC, an embedded log.

mod answers;
mod door;
mod limits;
mod parking;
mod streams;
mod support;
