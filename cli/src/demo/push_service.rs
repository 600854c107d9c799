//! Plays the push services of browsers for the demo: takes every notification and remembers for whom it was. Nobody can read
//! them here, which is what their encryption is for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kairos_engine::playbook::Channel;

use super::findings::Received;

/// The address under which the browsers of the generated day are written to; the user's id stands behind it.
pub(crate) const ENDPOINT: &str = "https://push.shop.example/";

/// How long a caller may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a request: a push service takes 4,096 of content, and headers are short.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

/// A push service that listens.
#[derive(Debug)]
pub(super) struct PushService {
    authority: String,
    users: Arc<Mutex<Vec<String>>>,
}

impl PushService {
    /// Starts to listen, until this process ends.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let service = Self { authority: listener.local_addr()?.to_string(), users: Arc::default() };
        let users = Arc::clone(&service.users);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let users = Arc::clone(&users);
                // A caller that goes away has no answer to wait for.
                thread::spawn(move || drop(answer(stream, &users)));
            }
        });
        Ok(service)
    }

    /// `host:port`, for the stack's parameter `MessengersStandIn`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// What has come so far: for whom, and nothing of what it says.
    pub(super) fn received(&self) -> Vec<Received> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let received = users.iter().map(|user| Received {
            channel: Channel::WebPush,
            address: user.clone(),
            subject: String::new(),
            text: String::new(),
        });
        received.collect()
    }
}

/// Takes one notification: 201, as RFC 8030 has it (section 5).
fn answer(stream: TcpStream, users: &Mutex<Vec<String>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream.take(REQUEST_BYTES_MAX));
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    let path = first.split_whitespace().nth(1).unwrap_or_default();
    let user = path.rsplit('/').next().unwrap_or_default().to_owned();
    users.lock().unwrap_or_else(PoisonError::into_inner).push(user);
    writer.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
