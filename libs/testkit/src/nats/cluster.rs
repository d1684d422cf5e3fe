//! Three servers that know one another, for what only replicas can do wrong.

use super::{NatsOptions, NatsServer, free_port};

/// A running cluster of three servers.
pub struct NatsCluster {
    servers: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts three servers and waits until each is healthy.
    ///
    /// # Errors
    /// When the binary is missing, or a server does not become healthy within 20 seconds.
    pub async fn start() -> anyhow::Result<NatsCluster> {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect::<anyhow::Result<_>>()?;
        let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let start = |index: usize, port: u16| {
            let extra = format!(
                "server_name: n{index}\ncluster {{ name: c, listen: 127.0.0.1:{port}, routes: [{}] }}\n",
                routes.join(", ")
            );
            NatsServer::start(NatsOptions { extra, ..NatsOptions::default() })
        };
        // None is healthy before most of them are there: they start together.
        let (one, two, three) = tokio::try_join!(start(0, ports[0]), start(1, ports[1]), start(2, ports[2]))?;
        Ok(NatsCluster { servers: vec![one, two, three] })
    }

    /// Where clients connect: all three addresses, with commas.
    pub fn url(&self) -> String {
        self.servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// The monitoring addresses, with commas.
    pub fn monitoring_url(&self) -> String {
        self.servers.iter().map(NatsServer::monitoring_url).collect::<Vec<_>>().join(",")
    }

    /// One of the servers, `n0` to `n2`, to kill and restart.
    pub fn server(&mut self, index: usize) -> &mut NatsServer {
        &mut self.servers[index]
    }
}
