//! Appends with eight hands until it is killed; writes `<entity> <text>` for what was acknowledged.
//!
//! `append_until_killed <dir> <round>`: the crash test runs it, kills it and looks what is there.

use std::io::Write as _;

use bytes::Bytes;
use domain::ids::CommandId;
use domain::time::Timestamp;
use event_log::{
    Category, Commit, EmbeddedSettings, Entity, EventLog, Expected, NewEvent, Settings, TraceContext,
    event_id,
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, round] = arguments.as_slice() else { anyhow::bail!("append_until_killed <dir> <round>") };
    let settings = EmbeddedSettings {
        free_bytes_min: 1,
        // Of eight entities: the index is being written whenever the kill comes.
        heads_unwritten_max: 4,
        ..EmbeddedSettings::in_dir(dir)
    };
    let log = EventLog::open(Settings::Embedded(settings)).await?;
    let hands = (0..8).map(|hand| append(log.clone(), round.clone(), hand));
    futures::future::try_join_all(hands).await?;
    Ok(())
}

async fn append(log: EventLog, round: String, hand: u8) -> anyhow::Result<()> {
    let one = Entity::new(Category::Envelopes, &"acme".parse()?, format!("hand-{hand}"))?;
    for n in 0_u64.. {
        let mut command = [hand; 16];
        command[..8].copy_from_slice(&n.to_be_bytes());
        command[8] = round.parse()?;
        let command_id = CommandId::from_bytes(command);
        let text = format!("{round}/{n}");
        let event = NewEvent {
            id: event_id(&command_id, 0),
            kind: "test.happened".to_owned(),
            schema: 1,
            occurred_at: Timestamp(1),
            payload: Bytes::from(text.clone()),
        };
        let commit = Commit {
            command_id,
            correlation_id: String::new(),
            causation_id: None,
            trace: TraceContext::default(),
            events: vec![event],
        };
        log.append(&one, Expected::Any, commit).await?;
        std::io::stdout().write_all(format!("hand-{hand} {text}\n").as_bytes())?;
    }
    Ok(())
}
