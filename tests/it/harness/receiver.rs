//! A receiver of webhooks and of whatever else is sent by HTTP: a real server on the loopback interface that keeps what
//! it gets, and answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// Where it went.
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// The raw bytes, which the signature covers.
    pub(crate) body: Vec<u8>,
}

/// What a receiver does with a request that it has read.
pub(crate) enum Reply {
    /// Answers with this status and body.
    Says(&'static str, String),
    /// Closes the connection without a word.
    HangsUp,
    /// Keeps the connection open without a word.
    Silent,
}

/// Decides about each request.
type Replies = Arc<dyn Fn(&Delivered) -> Reply + Send + Sync>;

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Delivered>>>,
}

impl Receiver {
    /// Listens on a free port, for as long as this process lives, and answers 200 to everything.
    pub(crate) async fn start() -> std::io::Result<Self> {
        Self::start_with(|_| Reply::Says("200 OK", String::new())).await
    }

    /// The same with other answers.
    pub(crate) async fn start_with(
        replies: impl Fn(&Delivered) -> Reply + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let replies: Replies = Arc::new(replies);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self { address: listener.local_addr()?, received: Arc::default() };
        let received = Arc::clone(&receiver.received);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&received), Arc::clone(&replies)));
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

async fn serve(connection: TcpStream, received: Arc<Mutex<Vec<Delivered>>>, replies: Replies) -> std::io::Result<()> {
    let mut connection = BufReader::new(connection);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
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
        let delivered = Delivered { path, headers, body };
        let reply = replies(&delivered);
        received.lock().unwrap().push(delivered);
        match reply {
            Reply::Says(status, body) => {
                let length = body.len();
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
                connection.write_all(answer.as_bytes()).await?;
            }
            Reply::HangsUp => return Ok(()),
            // Until the other side has had enough.
            Reply::Silent => {
                connection.read_u8().await?;
            }
        }
    }
}
