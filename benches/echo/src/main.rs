//! A function that only passes on what it gets: from its URL or a queue to the next queue
//! (`NEXT_QUEUE_URL`), or to the provider (`PROVIDER_URL`). Three of them are the empty chain that latency
//! is compared with: the same hops as an event's, and nothing done on the way.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use kairos_cloud::environment::{optional, required};
use kairos_cloud::service;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = service::start()?;
    let next = match optional("NEXT_QUEUE_URL") {
        Some(queue) => Next::Queue(Client::new(&config), queue),
        None => Next::Provider(http_client()?, required("PROVIDER_URL")?),
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| next.pass_on(event.payload))).await
}

fn http_client() -> Result<reqwest::Client, Error> {
    // reqwest wants a provider of TLS even where, as here, it speaks plain HTTP; a second one changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?)
}

enum Next {
    Queue(Client, String),
    Provider(reqwest::Client, String),
}

impl Next {
    async fn pass_on(&self, event: Value) -> Result<Value, Error> {
        let bodies: Vec<&str> = match event["Records"].as_array() {
            Some(records) => records.iter().filter_map(|record| record["body"].as_str()).collect(),
            None => event["body"].as_str().into_iter().collect(),
        };
        match self {
            Self::Queue(client, url) => send(client, url, &bodies).await?,
            Self::Provider(client, url) => {
                for body in bodies {
                    client.post(url).body(body.to_owned()).send().await?.error_for_status()?;
                }
            }
        }
        Ok(json!({"statusCode": 200, "body": "", "batchItemFailures": []}))
    }
}

async fn send(client: &Client, url: &str, bodies: &[&str]) -> Result<(), Error> {
    let mut call = client.send_message_batch().queue_url(url);
    for (index, body) in bodies.iter().enumerate() {
        let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(*body);
        // A body is an id: a group of its own, as each event here is of another user.
        let entry = match url.ends_with(".fifo") {
            true => entry.message_group_id(*body).message_deduplication_id(*body),
            false => entry,
        };
        call = call.entries(entry.build()?);
    }
    match call.send().await?.failed() {
        [] => Ok(()),
        [failure, ..] => Err(format!("the queue refused a message: {}", failure.code()).into()),
    }
}
