//! A small HTTP/1.1 server on the loopback, one thread a connection: the other end of what is measured
//! (the Runtime API of a starting function, the provider that takes messages, the counting proxy).

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Most bytes of one body that are taken: several times the largest queue call.
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP's number.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer of this JSON.
    pub fn json(body: &serde_json::Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json".into(),
            headers: Vec::new(),
            body: body.to_string().into(),
        }
    }
}

/// Serves on a free port of 127.0.0.1 until the process ends. `None` leaves a request unanswered and its
/// connection open: what a function that waits for its next event sees.
///
/// # Errors
/// When no port can be had.
pub fn serve(answer: impl Fn(Request) -> Option<Response> + Send + Sync + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // A connection that breaks is the other side's end, such as that of a killed function.
            thread::spawn(move || converse(connection, &*answer).ok());
        }
    });
    Ok(address)
}

/// A port of 127.0.0.1 that nobody listens on now.
///
/// # Errors
/// When no port can be had.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn converse(connection: TcpStream, answer: &impl Fn(Request) -> Option<Response>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut out = connection.try_clone()?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = read_request(&mut reader)? {
        let Some(response) = answer(request) else {
            // Nothing more is said; the thread ends when the other side does.
            return io::copy(&mut reader, &mut io::sink()).map(drop);
        };
        let mut bytes = format!(
            "HTTP/1.1 {} Answer\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            response.status,
            response.content_type,
            response.body.len()
        )
        .into_bytes();
        for (name, value) in &response.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&response.body);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if request.headers.get("transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
        request.body = read_chunks(reader)?;
    } else {
        let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body = read_exactly(reader, length)?;
    }
    Ok(Some(request))
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    if length > BODY_BYTES_MAX {
        return Err(io::Error::other("a body larger than any that is measured"));
    }
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = size.trim().split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        body.extend(read_exactly(reader, length)?);
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_with_a_length_and_in_chunks() {
        for (text, body) in [
            ("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", "hi"),
            ("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "hi"),
            ("POST /a HTTP/1.1\r\nHost: x\r\n\r\n", ""),
        ] {
            let request = read_request(&mut text.as_bytes()).unwrap().unwrap();
            assert_eq!((request.path.as_str(), request.body.as_slice()), ("/a", body.as_bytes()));
        }
        assert!(read_request(&mut "".as_bytes()).unwrap().is_none());
    }
}
