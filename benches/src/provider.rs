//! The provider at the end of the chain: a webhook's receiver that notes when each message came.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{Response, serve};

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When the whole request was read.
    pub at: Instant,
    /// The path it came to.
    pub path: String,
    /// What it said.
    pub body: Vec<u8>,
}

impl Arrival {
    /// The webhook's `data`.
    pub fn data(&self) -> Value {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["data"].clone()
    }
}

/// The receiver.
#[derive(Debug)]
pub struct Provider {
    /// `127.0.0.1:PORT`.
    pub address: String,
    arrivals: Receiver<Arrival>,
}

impl Provider {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        let (arrived, arrivals) = channel();
        let address = serve(move |request| {
            // Once the bench has all it waits for, nobody listens any more.
            let _ = arrived.send(Arrival { at: Instant::now(), path: request.path, body: request.body });
            Some(Response::json(&Value::Null))
        })?;
        Ok(Self { address: address.to_string(), arrivals })
    }

    /// What arrives until `until`; stops early when `enough` says so of what has come so far.
    pub fn take_until(&self, until: Instant, mut enough: impl FnMut(&[Arrival]) -> bool) -> Vec<Arrival> {
        let mut taken = Vec::new();
        while !enough(&taken) {
            let left = until.saturating_duration_since(Instant::now());
            match self.arrivals.recv_timeout(left) {
                Ok(arrival) => taken.push(arrival),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        taken
    }

    /// What arrives within `time`.
    pub fn take_for(&self, time: Duration) -> Vec<Arrival> {
        self.take_until(Instant::now() + time, |_| false)
    }
}
