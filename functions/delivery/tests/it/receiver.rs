//! A real receiver on this machine, which behaves as told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a request said.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What a receiver does after it has read a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Writes this and closes.
    Answers(Vec<u8>),
    /// Writes this and waits for another request.
    KeepsAlive(Vec<u8>),
    /// Writes this, and then the same chunk without end.
    NeverStops(Vec<u8>),
    /// Keeps the connection open and says nothing.
    Silent,
    /// Closes the connection.
    HangsUp,
}

/// A receiver on a port of its own.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Receiver {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_with(move |_| behaviour.clone()).await
    }

    /// The same with a behaviour for each request.
    pub(crate) async fn start_with(behaviour: impl Fn(&Received) -> Behaviour + Send + Sync + 'static) -> Self {
        let behaviour: Arc<dyn Fn(&Received) -> Behaviour + Send + Sync> = Arc::new(behaviour);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&received), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&behaviour), Arc::clone(&log)));
            }
        });
        Self { address, received, connections }
    }

    pub(crate) fn answers(status: &str, headers: &str, body: &str) -> Behaviour {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
        Behaviour::Answers(text.into_bytes())
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.address.port())
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: Arc<dyn Fn(&Received) -> Behaviour + Send + Sync>,
    log: Arc<Mutex<Vec<Received>>>,
) {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head_end + length {
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
    }
    let received = Received { line, headers, body: bytes[head_end..].to_vec() };
    let behaviour = behaviour(&received);
    log.lock().unwrap().push(received);
    match behaviour {
        // A sender that has read enough hangs up on us: nothing to assert on.
        Behaviour::Answers(answer) => drop(stream.write_all(&answer).await),
        Behaviour::KeepsAlive(answer) => {
            drop(stream.write_all(&answer).await);
            let _ = stream.read(&mut [0]).await;
        }
        Behaviour::NeverStops(head) => {
            drop(stream.write_all(&head).await);
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        }
        Behaviour::Silent => {
            let _ = stream.read(&mut [0]).await;
        }
        Behaviour::HangsUp => {}
    }
}
