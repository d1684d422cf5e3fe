//! One contract, two stores: every case here runs on both, through nothing but the public handle.

mod append;
mod crash;
mod fixture;
mod follow;
mod jetstream_only;
mod keys;
mod model;
mod replicas;
mod tail;
