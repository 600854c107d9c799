//! What answers in the place of AWS in tests: a server on loopback whose answers are a function of what is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_types::SdkConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use serde_json::{Map, Value, json};

use crate::items::Item;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// The operation, as services with JSON are asked for it; empty for S3.
    pub operation: String,
    /// Path and query.
    pub path: String,
    /// The body, when it is JSON.
    pub body: Value,
}

/// An answer with status 200.
#[derive(Clone, Debug)]
pub(crate) struct Answer(pub Vec<u8>);

impl From<Value> for Answer {
    fn from(json: Value) -> Self {
        Self(json.to_string().into_bytes())
    }
}

/// How to call a stand-in that answers like this. It goes on until the tests end.
pub(crate) fn config<A: Into<Answer>>(answer: impl Fn(&Call) -> A + Send + 'static) -> SdkConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Answer(body) = answer(&read(&mut stream)).into();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
        }
    });
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test")))
        .endpoint_url(url)
        .http_client(crate::https::http_client())
        .build()
}

/// The client of a stand-in for DynamoDB.
pub(crate) fn client<A: Into<Answer>>(answer: impl Fn(&Call) -> A + Send + 'static) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&config(answer))
}

/// An item as DynamoDB's answers have it.
pub(crate) fn json(item: &Item) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue as A;
    use base64::Engine as _;
    let value = |value: &A| match value {
        A::S(text) => json!({ "S": text }),
        A::N(number) => json!({ "N": number }),
        A::B(bytes) => json!({ "B": base64::engine::general_purpose::STANDARD.encode(bytes) }),
        other => panic!("{other:?} is not used here"),
    };
    Value::Object(item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect::<Map<_, _>>())
}

fn read(stream: &mut TcpStream) -> Call {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut chunk).unwrap();
        request.extend_from_slice(&chunk[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
            assert!(read > 0, "a request has an end");
            continue;
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let header = |name: &str| {
            head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        let length: usize = header("content-length").map_or(0, |(_, length)| length.trim().parse().unwrap());
        let body = &request[end + 4..];
        if body.len() >= length {
            let target = header("x-amz-target").map(|(_, target)| target.rsplit('.').next().unwrap_or_default());
            return Call {
                operation: target.unwrap_or_default().to_owned(),
                path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
                body: serde_json::from_slice(body).unwrap_or_default(),
            };
        }
    }
}
