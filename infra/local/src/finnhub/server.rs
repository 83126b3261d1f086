//! The simulated vendors on a real socket.

mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::ServerClock;

use super::Vendor;

/// The most connections at a time; more wait to be accepted.
const MOST_CONNECTIONS: usize = 1024;

/// Whom a server may listen to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// This machine alone: any other address is refused.
    #[default]
    Loopback,
    /// Any address, asked for by name: whoever reaches it can use the simulator.
    Network,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address beyond this machine.
    #[error("`{0}` is reachable from other machines: listen on 127.0.0.1, or say that you mean it")]
    Exposed(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running server. It stops when it is told to, or with its runtime.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on an address, port 0 for a free one, and answers by the clock.
    pub async fn start<C: ServerClock + Clone>(
        listen: SocketAddr,
        exposure: Exposure,
        vendor: Arc<Vendor>,
        clock: C,
    ) -> Result<Self, StartError> {
        if exposure == Exposure::Loopback && !listen.ip().is_loopback() {
            return Err(StartError::Exposed(listen));
        }
        let failed = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, vendor, clock, stopped));
        Ok(Self { address, stop, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, for both vendors' clients.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts no more, finishes the answers that are being sent, breaks those that are kept, and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // It can only fail where the runtime is ending, and everything with it.
        drop(self.accepting.await);
    }
}

async fn accept<C: ServerClock + Clone>(
    listener: TcpListener,
    vendor: Arc<Vendor>,
    clock: C,
    stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut stop = stopped.clone();
    loop {
        tokio::select! {
            () = connection::told(&mut stop) => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, vendor.clone(), clock.clone(), stopped.clone()));
                }
                // A caller that was gone before it was accepted, or no descriptors left: the next may do.
                Err(error) => tracing::warn!(%error, "accept a connection"),
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;
