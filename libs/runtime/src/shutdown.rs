//! The wish to stop: SIGTERM from the platform, Ctrl-C from a person.

use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

/// A token that is cancelled at the first SIGINT or SIGTERM. A second signal ends the process at once, so
/// that a person is never held by a stop that hangs.
///
/// # Panics
/// Outside a tokio runtime, and where signal handlers cannot be installed: both are mistakes at start-up.
pub fn on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let signalled = token.clone();
    Tasks::detached("signals", async move {
        signal().await;
        tracing::info!("asked to stop: finishing what is in flight");
        signalled.cancel();
        signal().await;
        tracing::warn!("asked to stop twice: leaving at once");
        std::process::exit(130);
    });
    token
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler for SIGINT can be installed");
    let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM can be installed");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
