//! A receiver of webhooks: a real HTTP server on the loopback interface that keeps what it gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// The raw bytes, which the signature covers.
    pub(crate) body: Vec<u8>,
}

/// The server. It answers 200 to everything.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Delivered>>>,
}

impl Receiver {
    /// Listens on a free port, for as long as this process lives.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self { address: listener.local_addr()?, received: Arc::default() };
        let received = Arc::clone(&receiver.received);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&received)));
            }
        });
        Ok(receiver)
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Where it receives.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/kairos", self.address)
    }

    /// All it has got so far whose body contains this text, in order.
    pub(crate) fn received_with(&self, text: &str) -> Vec<Delivered> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|delivered| String::from_utf8_lossy(&delivered.body).contains(text)).cloned().collect()
    }
}

async fn serve(connection: TcpStream, received: Arc<Mutex<Vec<Delivered>>>) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            connection.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await?;
        received.lock().unwrap().push(Delivered { headers, body });
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}
