//! The local engine: the whole stack of `template.yaml` on this machine, in MiniStack.
//!
//! `infra/local/engine.py` does the work (it installs, starts, deploys, stops; see infra/README.md). These functions
//! call it and read the JSON it prints, so `kairos local`, `make demo` and the tests have one engine between them.
//! Its progress messages go to this process' standard error.

mod stack;

pub use stack::{Credentials, EventSource, Function, FunctionProcess, Stack};

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::process::Command;

/// Name of the engine when none is given; engines of different names run side by side.
pub const DEFAULT_NAME: &str = "kairos";

/// Path of the engine inside the project.
const ENGINE: &str = "infra/local/engine.py";

/// Exit code of the engine for "not running"; everything else but 0 is a failure it has explained.
const EXIT_NOT_RUNNING: i32 = 3;

/// Why the local engine could not do what was asked.
#[derive(Debug, Error)]
pub enum LocalError {
    /// The current directory is not inside the project.
    #[error("no {ENGINE} in {} or above it: run this inside the Kairos project", .0.display())]
    NoProject(PathBuf),
    /// Python could not be started.
    #[error("could not start python3, which the local engine needs (version 3.10 or newer): {0}")]
    NoPython(std::io::Error),
    /// The engine reported a failure; it has said why on standard error.
    #[error("the local engine could not {0}; its message is above")]
    Failed(&'static str),
    /// The engine is not running.
    #[error("the local engine {0} is not running: start it with `kairos local up`")]
    NotRunning(String),
    /// The engine's answer is not what this version expects.
    #[error("the local engine answered with something unexpected to {command}: {source}")]
    Answer {
        /// What was asked.
        command: &'static str,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
}

/// How to start an engine.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// Directory of the built functions; `target/debug` of the project when absent.
    pub binaries: Option<PathBuf>,
    /// Values for parameters of `template.yaml`.
    pub parameters: Vec<(String, String)>,
    /// Port on 127.0.0.1; a free one when absent.
    pub port: Option<u16>,
    /// Process whose end ends the engine. Tests give their own id, so that a killed test run leaves nothing.
    pub owner: Option<u32>,
    /// Seconds after which failed messages are handed out again, instead of the template's visibility timeouts.
    pub retry_after_s: Option<u32>,
}

impl UpOptions {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if let Some(binaries) = &self.binaries {
            add("--binaries", binaries.display().to_string());
        }
        for (name, value) in &self.parameters {
            add("--parameter", format!("{name}={value}"));
        }
        if let Some(port) = self.port {
            add("--port", port.to_string());
        }
        if let Some(owner) = self.owner {
            add("--owner", owner.to_string());
        }
        if let Some(seconds) = self.retry_after_s {
            add("--retry-after", seconds.to_string());
        }
        arguments
    }
}

/// One engine, by its name, of the project at `root`. It need not be running.
#[derive(Clone, Debug)]
pub struct Engine {
    root: PathBuf,
    name: String,
}

impl Engine {
    /// The engine called `name` of the project at `root`, the directory that holds `template.yaml`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self { root: root.into(), name: name.into() }
    }

    /// The engine called `name` of the project that `directory` is in.
    ///
    /// # Errors
    /// [`LocalError::NoProject`] when neither `directory` nor one above it is the project.
    pub fn find(directory: &Path, name: impl Into<String>) -> Result<Self, LocalError> {
        directory
            .ancestors()
            .find(|candidate| candidate.join(ENGINE).is_file())
            .map(|root| Self::new(root, name))
            .ok_or_else(|| LocalError::NoProject(directory.to_owned()))
    }

    /// Starts MiniStack, installing it first if need be, and deploys `template.yaml` with the built functions.
    /// Returns when events can be sent. An engine that already runs the same build is returned as it is.
    ///
    /// # Errors
    /// When it cannot be started or deployed, or runs another build; then nothing new is left running.
    pub async fn up(&self, options: &UpOptions) -> Result<Stack, LocalError> {
        self.ask("start", "up", options.arguments()).await
    }

    /// Stops MiniStack and every function process, and returns when they are gone. Not running is no error.
    ///
    /// # Errors
    /// When the engine does not stop.
    pub async fn down(&self) -> Result<(), LocalError> {
        self.call("stop", "down", Vec::new()).await.map(drop)
    }

    /// What clients need to know of the running engine; none when it is not running.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn status(&self) -> Result<Option<Stack>, LocalError> {
        match self.ask("say how it is", "status", Vec::new()).await {
            Ok(stack) => Ok(Some(stack)),
            Err(LocalError::NotRunning(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The function processes that run now. A function's first comes with its first invocation.
    ///
    /// # Errors
    /// When the engine is not running.
    pub async fn processes(&self) -> Result<Vec<FunctionProcess>, LocalError> {
        self.ask("list its processes", "processes", Vec::new()).await
    }

    /// What a function, given by its logical id in the template, wrote so far, with the platform's lines.
    ///
    /// # Errors
    /// When the engine is not running or has no such function.
    pub async fn logs(&self, function: &str) -> Result<String, LocalError> {
        let output = self.call("read the logs", "logs", vec![function.to_owned()]).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Calls a function, given by its logical id, with an event, and returns its answer.
    ///
    /// # Errors
    /// When the engine is not running, has no such function, or the function fails.
    pub async fn invoke(&self, function: &str, event: &serde_json::Value) -> Result<serde_json::Value, LocalError> {
        self.ask("call the function", "invoke", vec![function.to_owned(), event.to_string()]).await
    }

    /// Stops handing messages to a function, given by its logical id. A batch under way still ends.
    ///
    /// # Errors
    /// When the engine is not running or has no such function.
    pub async fn pause(&self, function: &str) -> Result<(), LocalError> {
        self.call("pause the function", "pause", vec![function.to_owned()]).await.map(drop)
    }

    /// Hands messages to a paused function again.
    ///
    /// # Errors
    /// When the engine is not running or has no such function.
    pub async fn resume(&self, function: &str) -> Result<(), LocalError> {
        self.call("resume the function", "resume", vec![function.to_owned()]).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &'static str,
        command: &'static str,
        arguments: Vec<String>,
    ) -> Result<T, LocalError> {
        let output = self.call(what, command, arguments).await?;
        serde_json::from_slice(&output.stdout).map_err(|source| LocalError::Answer { command, source })
    }

    /// Runs one command of the engine; `what` completes "could not …".
    async fn call(
        &self,
        what: &'static str,
        command: &'static str,
        arguments: Vec<String>,
    ) -> Result<Output, LocalError> {
        let output = Command::new("python3")
            .arg(self.root.join(ENGINE))
            .args([command, "--name", &self.name])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A caller that gives up on `up` stops it too; its guard then leaves nothing running.
            .kill_on_drop(true)
            .stderr(Stdio::inherit())
            .output()
            .await
            .map_err(LocalError::NoPython)?;
        match output.status.code() {
            Some(0) => Ok(output),
            Some(EXIT_NOT_RUNNING) => Err(LocalError::NotRunning(self.name.clone())),
            _ => Err(LocalError::Failed(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_project_is_found_from_a_directory_inside_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let engine = Engine::find(&here.join("src"), "x").unwrap();
        assert_eq!(engine.root, here.parent().unwrap());
    }

    #[test]
    fn outside_the_project_the_message_says_where_to_go() {
        let message = Engine::find(Path::new("/"), "x").unwrap_err().to_string();
        assert!(message.contains("run this inside the Kairos project"), "{message}");
    }

    #[test]
    fn options_become_arguments_of_the_engine() {
        let options = UpOptions {
            binaries: Some("target/release".into()),
            parameters: vec![("LogLevel".into(), "debug".into())],
            port: Some(4566),
            owner: Some(7),
            retry_after_s: Some(2),
        };
        assert_eq!(
            options.arguments().join(" "),
            "--binaries target/release --parameter LogLevel=debug --port 4566 --owner 7 --retry-after 2"
        );
    }

    #[tokio::test]
    async fn an_engine_that_was_never_started_is_not_running() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let engine = Engine::new(root, "never-started");
        assert!(engine.status().await.unwrap().is_none());
        assert!(matches!(engine.processes().await, Err(LocalError::NotRunning(_))));
        engine.down().await.unwrap();
    }
}
