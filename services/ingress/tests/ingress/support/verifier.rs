//! A verification service that does what the test says and remembers what it was given.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contracts::wire::verification as wire;
use contracts::wire::verification::verification_service_server::{
    VerificationService, VerificationServiceServer,
};
use futures::{Stream, StreamExt as _};
use parking_lot::Mutex;
use runtime::grpc::{Server, ServerSettings};
use runtime::tasks::Tasks;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use wire::{Delivery, Verdict};

use super::SOON;

/// What verification does with every delivery from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers at once.
    Answer(Verdict),
    /// Refuses one connection's deliveries for now, answers the others.
    NotNow(&'static str),
    /// Answers once the mode changes.
    Hold,
    /// Breaks the stream.
    Break,
}

/// The service; lives on while its server is down. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    address: SocketAddr,
    /// Keeps the port until the first start: bound, but refusing whoever comes.
    reserved: Arc<Mutex<Option<TcpSocket>>>,
    mode: watch::Sender<Mode>,
    taken: watch::Sender<Vec<Delivery>>,
    streams: watch::Sender<usize>,
    server: Arc<Mutex<Option<Tasks>>>,
}

/// A server that outlasts every test.
pub fn patient() -> ServerSettings {
    ServerSettings { drain_deadline: Duration::from_millis(20), ..ServerSettings::default() }
}

impl Verifier {
    /// Has an address, but does not listen yet.
    pub fn new() -> Verifier {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Not 127.0.0.1: from there others call, and any port may become theirs while the server is down.
        socket.bind(SocketAddr::from(([127, 0, 0, 77], 0))).expect("a free port");
        Verifier {
            address: socket.local_addr().expect("an address"),
            reserved: Arc::new(Mutex::new(Some(socket))),
            mode: watch::Sender::new(Mode::Answer(Verdict::Accepted)),
            taken: watch::Sender::default(),
            streams: watch::Sender::default(),
            server: Arc::default(),
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn start(&self, settings: ServerSettings) {
        let reserved = self.reserved.lock().take();
        let listener = match reserved {
            Some(socket) => socket.listen(64),
            None => TcpListener::bind(self.address).await,
        };
        let listener = listener.expect("the port is still free");
        let tasks = Tasks::new();
        let service = VerificationServiceServer::new(self.clone()).max_decoding_message_size(2 * 1024 * 1024);
        let server = Server::new().service(service).descriptors(contracts::DESCRIPTOR_SET);
        *self.server.lock() = Some(tasks.clone());
        tasks.spawn_fallible("verifier", server.serve(listener, settings, tasks.shutdown_token()));
    }

    /// Stops the server; what it was asked and has not answered is lost with it.
    pub async fn stop(&self) {
        let server = self.server.lock().take().expect("it runs");
        server.stop(SOON).await.expect("it ends well");
    }

    pub fn mode(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Everything that was given to it so far, in order.
    pub fn taken(&self) -> Vec<Delivery> {
        self.taken.borrow().clone()
    }

    /// Waits until so many deliveries were given to it.
    pub async fn until_taken(&self, wanted: usize) -> Vec<Delivery> {
        let mut taken = self.taken.subscribe();
        let waited = tokio::time::timeout(SOON, taken.wait_for(|taken| taken.len() >= wanted));
        waited.await.expect("they come").expect("the sender lives").clone()
    }

    /// Waits until so many streams were opened to it.
    pub async fn until_streams(&self, wanted: usize) {
        let mut streams = self.streams.subscribe();
        let waited = tokio::time::timeout(SOON, streams.wait_for(|streams| *streams >= wanted));
        waited.await.expect("they are opened").expect("the sender lives");
    }

    async fn judge(self, delivery: Delivery) -> Result<wire::Answer, Status> {
        let connection = delivery.connection.clone();
        self.taken.send_modify(|taken| taken.push(delivery));
        let mut mode = self.mode.subscribe();
        let mode = *mode.wait_for(|mode| *mode != Mode::Hold).await.expect("the sender lives");
        let verdict = match mode {
            Mode::Answer(verdict) => verdict,
            Mode::NotNow(name) if name == connection => Verdict::Unavailable,
            Mode::NotNow(_) => Verdict::Accepted,
            Mode::Break | Mode::Hold => return Err(Status::internal("broken on purpose")),
        };
        Ok(wire::Answer { verdict: verdict.into(), retry_after_ms: 1_500, ..Default::default() })
    }
}

#[tonic::async_trait]
impl VerificationService for Verifier {
    type AcceptStreamStream = Pin<Box<dyn Stream<Item = Result<wire::AcceptStreamResponse, Status>> + Send>>;

    async fn accept_stream(
        &self,
        request: Request<Streaming<wire::AcceptStreamRequest>>,
    ) -> Result<Response<Self::AcceptStreamStream>, Status> {
        self.streams.send_modify(|streams| *streams += 1);
        let verifier = self.clone();
        let answers = request.into_inner().map(move |request| {
            let verifier = verifier.clone();
            async move {
                let wire::AcceptStreamRequest { sequence, delivery } = request?;
                let answer = verifier.judge(delivery.expect("a delivery")).await?;
                Ok(wire::AcceptStreamResponse { sequence, answer: Some(answer) })
            }
        });
        let server = self.server.lock().as_ref().expect("it runs").shutdown_token();
        let answers = answers.buffer_unordered(64).take_until(server.cancelled_owned());
        Ok(Response::new(Box::pin(answers)))
    }

    async fn accept(
        &self,
        _: Request<wire::AcceptRequest>,
    ) -> Result<Response<wire::AcceptResponse>, Status> {
        Err(Status::unimplemented("ingress asks over streams"))
    }

    async fn list_quarantine(
        &self,
        _: Request<wire::ListQuarantineRequest>,
    ) -> Result<Response<wire::ListQuarantineResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn get_quarantined(
        &self,
        _: Request<wire::GetQuarantinedRequest>,
    ) -> Result<Response<wire::GetQuarantinedResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn reverify_quarantined(
        &self,
        _: Request<wire::ReverifyQuarantinedRequest>,
    ) -> Result<Response<wire::ReverifyQuarantinedResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn release_quarantined(
        &self,
        _: Request<wire::ReleaseQuarantinedRequest>,
    ) -> Result<Response<wire::ReleaseQuarantinedResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn discard_quarantined(
        &self,
        _: Request<wire::DiscardQuarantinedRequest>,
    ) -> Result<Response<wire::DiscardQuarantinedResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn list_jobs(
        &self,
        _: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn run_job(
        &self,
        _: Request<wire::RunJobRequest>,
    ) -> Result<Response<wire::RunJobResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn list_keys(
        &self,
        _: Request<wire::ListKeysRequest>,
    ) -> Result<Response<wire::ListKeysResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn get_ledger(
        &self,
        _: Request<wire::GetLedgerRequest>,
    ) -> Result<Response<wire::GetLedgerResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn list_dead_letters(
        &self,
        _: Request<wire::ListDeadLettersRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn retry_dead_letter(
        &self,
        _: Request<wire::RetryDeadLetterRequest>,
    ) -> Result<Response<wire::RetryDeadLetterResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }

    async fn discard_dead_letter(
        &self,
        _: Request<wire::DiscardDeadLetterRequest>,
    ) -> Result<Response<wire::DiscardDeadLetterResponse>, Status> {
        Err(Status::unimplemented("not asked by ingress"))
    }
}
