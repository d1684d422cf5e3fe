//! crm-sync between a scripted CRM and a scripted orchestrator, on a real log.

mod dead_letters;
mod echoes;
mod failures;
mod ledger;
mod people;
mod silence;
mod support;
mod sweeps;
mod triggers;
mod writes;
