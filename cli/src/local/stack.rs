//! What the engine says about a running stack, as `infra/local/engine.py` prints it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// A running engine with the deployed stack. The same JSON is in `.local/stack-NAME.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Stack {
    /// Name of the engine.
    pub name: String,
    /// Name of the CloudFormation stack; the names of queues and functions begin with it.
    pub stack: String,
    /// The guard, whose end ends everything.
    pub pid: u32,
    /// MiniStack. It leads the process group that the functions are in.
    pub ministack_pid: u32,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Where AWS clients send their requests (`AWS_ENDPOINT_URL`).
    pub endpoint: String,
    /// Region of the stack (`AWS_REGION`).
    pub region: String,
    /// Credentials that may do everything. Each function has those of its own role.
    pub credentials: Credentials,
    /// Where shops' clients send events, without a slash at the end; needs no name resolution.
    pub ingest_url: String,
    /// The same for browsers, which resolve names under `localhost` by themselves.
    pub ingest_browser_url: String,
    /// What MiniStack wrote.
    pub log: PathBuf,
    /// The template's outputs by key, such as `UsersTable`.
    pub outputs: BTreeMap<String, String>,
    /// The functions by logical id, such as `DecideFunction`.
    pub functions: BTreeMap<String, Function>,
    /// Which queue feeds which function.
    pub event_sources: Vec<EventSource>,
    /// Whether this call started it; false when it was running already.
    #[serde(default)]
    pub started: bool,
}

impl Stack {
    /// Where a Function URL, named by its output, is reached here without name resolution.
    pub fn function_url(&self, output: &str) -> Option<String> {
        Some(format!("{}/_aws/lambda-url/{}", self.endpoint, self.url_id(output)?))
    }

    /// The same for browsers, which resolve names under `localhost` by themselves.
    pub fn browser_url(&self, output: &str) -> Option<String> {
        let id = self.url_id(output)?;
        Some(format!("http://{id}.lambda-url.{}.localhost:{}", self.region, self.port))
    }

    fn url_id(&self, output: &str) -> Option<&str> {
        let (_, address) = self.outputs.get(output)?.split_once("://")?;
        address.split('.').next()
    }
}

/// Static credentials of an AWS client.
#[derive(Clone, Debug, Deserialize)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
}

/// One deployed function.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// Its name in the stack.
    pub name: String,
    /// Its crate's binary.
    pub binary: String,
    /// Where its logs are.
    pub log_group: String,
    /// The environment the template gives it; `cargo lambda watch` needs the same.
    pub environment: BTreeMap<String, String>,
}

/// A mapping from a queue to a function.
#[derive(Clone, Debug, Deserialize)]
pub struct EventSource {
    /// `UUID` of the mapping.
    pub id: String,
    /// Name of the queue.
    pub queue: String,
    /// Name of the function.
    pub function: String,
}

/// A running process of a function.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct FunctionProcess {
    /// Process id.
    pub pid: u32,
    /// Logical id of the function.
    pub function: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_engines_answer_is_read() {
        let answer = r#"{
            "name": "kairos", "stack": "kairos", "pid": 1, "ministack_pid": 2, "port": 4566,
            "endpoint": "http://127.0.0.1:4566", "region": "us-east-1",
            "credentials": {"access_key_id": "test", "secret_access_key": "test"},
            "ingest_url": "http://127.0.0.1:4566/_aws/lambda-url/x",
            "ingest_browser_url": "http://x.lambda-url.us-east-1.localhost:4566",
            "log": "engine.log", "digest": "d",
            "outputs": {"UsersTable": "users", "CatalogueUrl": "https://u1.lambda-url.us-east-1.on.aws/"},
            "functions": {"DecideFunction": {
                "name": "kairos-decide", "binary": "decide", "log_group": "/aws/lambda/kairos-decide",
                "environment": {"USERS_TABLE": "users"}
            }},
            "event_sources": [{"id": "i", "queue": "kairos-events.fifo", "function": "kairos-decide"}]
        }"#;
        let stack: Stack = serde_json::from_str(answer).unwrap();
        assert_eq!(stack.outputs["UsersTable"], "users");
        assert_eq!(stack.functions["DecideFunction"].environment["USERS_TABLE"], "users");
        assert_eq!(stack.function_url("CatalogueUrl").as_deref(), Some("http://127.0.0.1:4566/_aws/lambda-url/u1"));
        let browser_url = stack.browser_url("CatalogueUrl");
        assert_eq!(browser_url.as_deref(), Some("http://u1.lambda-url.us-east-1.localhost:4566"));
        assert_eq!(stack.function_url("UsersTable"), None);
        assert!(!stack.started);
    }
}
