//! Each role may do what its function does and nothing else. Tried with the credentials that the engine has given to
//! the running functions, against the policies of template.yaml.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::fs;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, WriteRequest};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_types::SdkConfig;
use kairos_engine::playbook::Channel;
use serde_json::{Value, json};

use crate::harness::shopper::left_so_that_due_in;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, run};

/// What can be tried, as `action on resource`.
const ATTEMPTS: [&str; 80] = [
    "GetItem UsersTable",
    "BatchGetItem UsersTable",
    "PutItem UsersTable",
    "DeleteItem UsersTable",
    "Scan UsersTable",
    "Query UsersTable/alarms",
    "GetItem DeliveriesTable",
    "BatchGetItem DeliveriesTable",
    "PutItem DeliveriesTable",
    "Query DeliveriesTable/provider_ids",
    "PutItem RefusalsTable",
    "Query RefusalsTable",
    "GetItem PlaybookTable",
    "BatchGetItem PlaybookTable",
    "PutItem PlaybookTable",
    "BatchWriteItem InterestsTable",
    "Query InterestsTable",
    "GetItem CatalogueTable",
    "BatchGetItem CatalogueTable",
    "PutItem CatalogueTable",
    "Query CatalogueTable/announcements",
    "Query CatalogueTable/categories",
    "GetItem PromoCodesTable",
    "PutItem PromoCodesTable",
    "UpdateItem PromoCodesTable",
    "Query PromoCodesTable/pools",
    "GetItem LinksTable",
    "PutItem LinksTable",
    "GetItem InboxTable",
    "PutItem InboxTable",
    "UpdateItem InboxTable",
    "DeleteItem InboxTable",
    "Query InboxTable",
    "Query FiguresTable",
    "BatchGetItem ConsoleTable",
    "PutItem ConsoleTable",
    "UpdateItem ConsoleTable",
    "DeleteItem ConsoleTable",
    "Query ConsoleTable",
    "GetItem SuppressionsTable",
    "BatchGetItem SuppressionsTable",
    "PutItem SuppressionsTable",
    "DeleteItem SuppressionsTable",
    "BatchWriteItem AddressesTable",
    "UpdateItem AddressesTable",
    "Query AddressesTable",
    "SendMessage EventsQueueUrl",
    "SendMessage DeliveriesQueueUrl",
    "SendMessage AlarmsQueueUrl",
    "SendMessage FeedbackQueueUrl",
    "ReceiveMessage EventsDeadLettersUrl",
    "SendMessage EventsDeadLettersUrl",
    "Publish SMS",
    "Publish endpoint/GCM/shop/1",
    "CreatePlatformEndpoint app/GCM/shop",
    "CreatePlatformEndpoint app/GCM/another",
    "DeleteEndpoint endpoint/GCM/shop/1",
    "SendEmail",
    "PutObject ArchiveBucket",
    "GetObject ArchiveBucket",
    "GetReport ArchiveBucket",
    "GetItem FiguresTable",
    "PutItem FiguresTable",
    "DeleteItem FiguresTable",
    "PutReport ArchiveBucket",
    "ListFacts ArchiveBucket",
    "GetSecretValue ServerKeyArn",
    "GetSecretValue WebhookSecretArn",
    "GetSecretValue CatalogueKeyArn",
    "GetSecretValue PromoCodeKeyArn",
    "GetSecretValue RedeemKeyArn",
    "GetSecretValue LinkKeyArn",
    "GetSecretValue InboxKeyArn",
    "GetSecretValue VapidKeyArn",
    "GetSecretValue ConsoleKeyArn",
    "GetSecretValue ConsolePasswordArn",
    "GetSecretValue viber-token",
    "GetSecretValue whatsapp-verify-token",
    "GetSecretValue telegram-token",
    "GetSecretValue webhook/chatbot-token",
];

const ALLOWED: [(&str, &[&str]); 15] = [
    (
        "IngestFunction",
        &[
            "PutItem RefusalsTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "SendMessage EventsQueueUrl",
            "GetSecretValue ServerKeyArn",
        ],
    ),
    (
        "DecideFunction",
        &[
            "BatchGetItem UsersTable",
            "PutItem UsersTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "BatchWriteItem InterestsTable",
            "SendMessage EventsQueueUrl",
            "SendMessage DeliveriesQueueUrl",
            "SendMessage AlarmsQueueUrl",
        ],
    ),
    ("TimersFunction", &["Query UsersTable/alarms", "SendMessage EventsQueueUrl", "SendMessage AlarmsQueueUrl"]),
    // On AWS it may put one item into the table of playbooks; the local engine does not know that condition.
    (
        "SegmentationFunction",
        &["Scan UsersTable", "GetItem PlaybookTable", "PutItem PlaybookTable", "SendMessage EventsQueueUrl"],
    ),
    (
        "CatalogueFunction",
        &[
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "Query InterestsTable",
            "BatchGetItem CatalogueTable",
            "PutItem CatalogueTable",
            "Query CatalogueTable/announcements",
            "SendMessage EventsQueueUrl",
            "GetSecretValue CatalogueKeyArn",
        ],
    ),
    (
        "DeliveryFunction",
        &[
            "BatchGetItem UsersTable",
            "GetItem DeliveriesTable",
            "PutItem DeliveriesTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "BatchGetItem CatalogueTable",
            "Query CatalogueTable/categories",
            "GetItem PromoCodesTable",
            "PutItem PromoCodesTable",
            "UpdateItem PromoCodesTable",
            "Query PromoCodesTable/pools",
            "GetItem LinksTable",
            "PutItem LinksTable",
            "PutItem InboxTable",
            "DeleteItem InboxTable",
            "Query InboxTable",
            "BatchGetItem SuppressionsTable",
            "BatchWriteItem AddressesTable",
            "SendMessage EventsQueueUrl",
            "SendMessage DeliveriesQueueUrl",
            "SendMessage FeedbackQueueUrl",
            "Publish SMS",
            "Publish endpoint/GCM/shop/1",
            "CreatePlatformEndpoint app/GCM/shop",
            "DeleteEndpoint endpoint/GCM/shop/1",
            "SendEmail",
            "GetSecretValue WebhookSecretArn",
            "GetSecretValue PromoCodeKeyArn",
            "GetSecretValue LinkKeyArn",
            "GetSecretValue VapidKeyArn",
            "GetSecretValue viber-token",
            "GetSecretValue telegram-token",
            "GetSecretValue webhook/chatbot-token",
        ],
    ),
    (
        "RedeemFunction",
        &[
            "BatchGetItem UsersTable",
            "GetItem PromoCodesTable",
            "PutItem PromoCodesTable",
            "SendMessage EventsQueueUrl",
            "GetSecretValue RedeemKeyArn",
        ],
    ),
    ("LinksFunction", &["GetItem LinksTable", "SendMessage EventsQueueUrl", "GetSecretValue LinkKeyArn"]),
    (
        "InboxFunction",
        &[
            "BatchGetItem UsersTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "GetItem InboxTable",
            "UpdateItem InboxTable",
            "Query InboxTable",
            "SendMessage EventsQueueUrl",
            "GetSecretValue InboxKeyArn",
            "GetSecretValue VapidKeyArn",
        ],
    ),
    (
        "CallbacksFunction",
        &["SendMessage FeedbackQueueUrl", "GetSecretValue viber-token", "GetSecretValue whatsapp-verify-token"],
    ),
    (
        "FeedbackFunction",
        &[
            "GetItem DeliveriesTable",
            "PutItem DeliveriesTable",
            "Query DeliveriesTable/provider_ids",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "GetItem SuppressionsTable",
            "PutItem SuppressionsTable",
            "DeleteItem SuppressionsTable",
            "UpdateItem AddressesTable",
            "Query AddressesTable",
            "SendMessage EventsQueueUrl",
            "Publish SMS",
        ],
    ),
    (
        "ArchiveFunction",
        &[
            "PutObject ArchiveBucket",
            "GetObject ArchiveBucket",
            "GetItem FiguresTable",
            "PutItem FiguresTable",
            "DeleteItem FiguresTable",
        ],
    ),
    (
        "PreferencesFunction",
        &[
            "BatchGetItem UsersTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "SendMessage EventsQueueUrl",
            "GetSecretValue LinkKeyArn",
        ],
    ),
    (
        "ReportsFunction",
        &[
            "GetItem PlaybookTable",
            "Query FiguresTable",
            "SendEmail",
            "GetObject ArchiveBucket",
            "GetReport ArchiveBucket",
            "GetItem FiguresTable",
            "PutItem FiguresTable",
            "DeleteItem FiguresTable",
            "PutReport ArchiveBucket",
            "ListFacts ArchiveBucket",
        ],
    ),
    (
        "ConsoleFunction",
        &[
            "BatchGetItem UsersTable",
            "Query UsersTable/alarms",
            "GetItem DeliveriesTable",
            "BatchGetItem DeliveriesTable",
            "Query RefusalsTable",
            "GetItem PlaybookTable",
            "BatchGetItem PlaybookTable",
            "PutItem PlaybookTable",
            "BatchGetItem CatalogueTable",
            "Query CatalogueTable/categories",
            "Query FiguresTable",
            "BatchGetItem ConsoleTable",
            "PutItem ConsoleTable",
            "UpdateItem ConsoleTable",
            "DeleteItem ConsoleTable",
            "Query ConsoleTable",
            "Query AddressesTable",
            "SendMessage EventsQueueUrl",
            "SendMessage DeliveriesQueueUrl",
            "SendMessage AlarmsQueueUrl",
            "SendMessage FeedbackQueueUrl",
            "ReceiveMessage EventsDeadLettersUrl",
            "GetObject ArchiveBucket",
            "GetReport ArchiveBucket",
            "ListFacts ArchiveBucket",
            "GetSecretValue ConsoleKeyArn",
            "GetSecretValue ConsolePasswordArn",
        ],
    ),
];

#[test]
fn each_role_may_do_what_its_function_does_and_nothing_else() {
    run(async {
        // Nothing is fed from its mailboxes, so what is sent there in passing changes nobody.
        let stage = Stage::mailboxes().await;
        wake_every_function(stage).await;
        stage.store_token(Channel::Viber, "a token").await;
        stage.store_token(Channel::Telegram, "a token").await;
        stage.store_secret("whatsapp-verify-token", "a token").await;
        for (function, allowed) in ALLOWED {
            let config = stage.config_with(credentials_of(stage, function).await);
            let mut done = Vec::new();
            for attempt in ATTEMPTS {
                if is_allowed(stage, &config, attempt).await {
                    done.push(attempt);
                }
            }
            assert_eq!(done, allowed, "{function}");
        }
    });
}

/// A function has a process, and its credentials, from its first invocation on.
async fn wake_every_function(stage: &Stage) {
    let shopper = Shopper::new("permissions");
    stage.accept(&[shopper.adds(left_so_that_due_in(600), "Mug")]).await;
    for function in ["DecideFunction", "TimersFunction", "DeliveryFunction", "FeedbackFunction", "ArchiveFunction"] {
        stage.engine.invoke(function, &json!({"Records": []})).await.unwrap();
    }
    stage.engine.invoke("CatalogueFunction", &json!({"action": "announce"})).await.unwrap();
    let request: Value = serde_json::from_str(include_str!("../../functions/redeem/events/redeem.json")).unwrap();
    stage.engine.invoke("RedeemFunction", &request).await.unwrap();
    let request: Value = serde_json::from_str(include_str!("../../functions/links/events/click.json")).unwrap();
    stage.engine.invoke("LinksFunction", &request).await.unwrap();
    let request: Value = serde_json::from_str(include_str!("../../functions/inbox/events/messages.json")).unwrap();
    stage.engine.invoke("InboxFunction", &request).await.unwrap();
    let request = include_str!("../../functions/preferences/events/preferences.json");
    stage.engine.invoke("PreferencesFunction", &serde_json::from_str::<Value>(request).unwrap()).await.unwrap();
    let request = include_str!("../../functions/callbacks/events/viber.json");
    stage.engine.invoke("CallbacksFunction", &serde_json::from_str::<Value>(request).unwrap()).await.unwrap();
    let request = include_str!("../../functions/console/events/overview.json");
    stage.engine.invoke("ConsoleFunction", &serde_json::from_str::<Value>(request).unwrap()).await.unwrap();
    // Of a day without rows.
    stage.engine.invoke("ReportsFunction", &json!({"job": "daily", "day": "2020-01-01"})).await.unwrap();
    stage.engine.invoke("SegmentationFunction", &json!({"action": "backfill"})).await.unwrap();
}

async fn credentials_of(stage: &Stage, function: &str) -> Credentials {
    let environment = eventually(format!("{function} runs"), PATIENCE, async || {
        let processes = stage.engine.processes().await.map_err(|error| error.to_string())?;
        let process = processes.iter().find(|process| process.function == function).ok_or(format!("{processes:?}"))?;
        fs::read(format!("/proc/{}/environ", process.pid)).map_err(|error| error.to_string())
    })
    .await;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let variables: BTreeMap<_, _> = environment.split('\0').filter_map(|variable| variable.split_once('=')).collect();
    let session = variables.get("AWS_SESSION_TOKEN").map(|&token| token.to_owned());
    Credentials::new(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], session, None, "a function's")
}

async fn is_allowed(stage: &Stage, config: &SdkConfig, attempt: &str) -> bool {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let sqs = aws_sdk_sqs::Client::new(config);
    let sns = aws_sdk_sns::Client::new(config);
    let of_sns = |name: &str| format!("arn:aws:sns:us-east-1:000000000000:{name}");
    let text = |text: &str| AttributeValue::S(text.into());
    let (action, on) = attempt.split_once(' ').unwrap_or((attempt, ""));
    let table = on.split('/').next().filter(|table| table.ends_with("Table")).map(|table| stage.output(table));
    let table = table.unwrap_or_default();
    let key = match on {
        "DeliveriesTable" => "delivery",
        "PlaybookTable" => "name",
        "CatalogueTable" => "product",
        "PromoCodesTable" | "LinksTable" | "SuppressionsTable" => "id",
        _ => "user",
    };
    let keys: &[&str] = match on {
        "PromoCodesTable" | "LinksTable" => &["id"],
        "InboxTable" => &["user", "delivery"],
        "ConsoleTable" => &["kind", "id"],
        "AddressesTable" => &["address", "user"],
        "InterestsTable" => &["product", "user"],
        "FiguresTable" => &["period", "at"],
        _ => std::slice::from_ref(&key),
    };
    let keys: HashMap<String, AttributeValue> =
        keys.iter().map(|key| ((*key).to_owned(), text("permission"))).collect();
    match action {
        "GetItem" => verdict(dynamodb.get_item().table_name(table).set_key(Some(keys)).send().await),
        "BatchGetItem" => {
            let keys = KeysAndAttributes::builder().keys(keys).build().unwrap();
            verdict(dynamodb.batch_get_item().request_items(table, keys).send().await)
        }
        // It deletes what is not there.
        "BatchWriteItem" => {
            let delete = DeleteRequest::builder().set_key(Some(keys)).build().unwrap();
            let write = WriteRequest::builder().delete_request(delete).build();
            verdict(dynamodb.batch_write_item().request_items(table, vec![write]).send().await)
        }
        // Under a condition that cannot hold, so that nothing is written.
        "PutItem" => verdict(
            dynamodb
                .put_item()
                .table_name(table)
                .item(key, text("permission"))
                .item("source", text("permission"))
                .item("refused_at", text("permission"))
                .item("product", text("permission"))
                .item("kind", text("permission"))
                .item("id", text("permission"))
                .item("delivery", text("permission"))
                .item("period", text("permission"))
                .item("at", text("permission"))
                .condition_expression("attribute_exists(never)")
                .send()
                .await,
        ),
        "UpdateItem" => verdict(
            dynamodb
                .update_item()
                .table_name(table)
                .set_key(Some(keys))
                .update_expression("SET permission = :permission")
                .condition_expression("attribute_exists(never)")
                .expression_attribute_values(":permission", text("permission"))
                .send()
                .await,
        ),
        "DeleteItem" => verdict(dynamodb.delete_item().table_name(table).set_key(Some(keys)).send().await),
        "Scan" => verdict(dynamodb.scan().table_name(table).limit(1).send().await),
        "Query" => {
            let (key, value) = match on {
                "InterestsTable" => ("product", text("permission")),
                "RefusalsTable" => ("source", text("permission")),
                "FiguresTable" => ("period", text("permission")),
                "InboxTable" => ("user", text("permission")),
                "ConsoleTable" => ("kind", text("permission")),
                "AddressesTable" => ("address", text("permission")),
                "PromoCodesTable/pools" => ("pool", text("permission")),
                "DeliveriesTable/provider_ids" => ("provider_id", text("permission")),
                "CatalogueTable/categories" => ("category_shard", text("permission#99")),
                "UsersTable/alarms" => ("alarm_shard", AttributeValue::N("99".into())),
                _ => ("announce_shard", AttributeValue::N("99".into())),
            };
            verdict(
                dynamodb
                    .query()
                    .table_name(table)
                    .set_index_name(on.split_once('/').map(|(_, index)| index.to_owned()))
                    .key_condition_expression("#key = :value")
                    .expression_attribute_names("#key", key)
                    .expression_attribute_values(":value", value)
                    .send()
                    .await,
            )
        }
        // Without a group, or with a delay that is too long, so that nothing is sent.
        "SendMessage" => verdict(
            sqs.send_message()
                .queue_url(stage.output(on))
                .set_delay_seconds((on != "EventsQueueUrl").then_some(901))
                .message_body("permission")
                .send()
                .await,
        ),
        "ReceiveMessage" => verdict(sqs.receive_message().queue_url(stage.output(on)).send().await),
        "Publish" if on == "SMS" => {
            verdict(sns.publish().phone_number("+15559999999").message("permission").send().await)
        }
        "Publish" => verdict(sns.publish().target_arn(of_sns(on)).message("permission").send().await),
        "CreatePlatformEndpoint" => verdict(
            sns.create_platform_endpoint().platform_application_arn(of_sns(on)).token("permission").send().await,
        ),
        "DeleteEndpoint" => verdict(sns.delete_endpoint().endpoint_arn(of_sns(on)).send().await),
        "SendEmail" => {
            let content = Content::builder().data("permission").build().unwrap();
            let message =
                Message::builder().subject(content.clone()).body(Body::builder().text(content).build()).build();
            let sesv2 = aws_sdk_sesv2::Client::new(config);
            verdict(
                sesv2
                    .send_email()
                    .from_email_address("hello@shop.example")
                    .destination(Destination::builder().to_addresses("permission@people.example").build())
                    .content(EmailContent::builder().simple(message).build())
                    .send()
                    .await,
            )
        }
        // Under a condition that cannot hold; and what is not there.
        "PutObject" => {
            let object = s3(config).put_object().bucket(stage.output(on)).key("facts/permission");
            verdict(object.if_match("never").send().await)
        }
        "GetObject" => {
            let object = s3(config).get_object().bucket(stage.output(on)).key("facts/permission");
            verdict(object.send().await)
        }
        "PutReport" => {
            let object = s3(config).put_object().bucket(stage.output(on)).key("reports/permission");
            verdict(object.if_match("never").send().await)
        }
        "ListFacts" => verdict(s3(config).list_objects_v2().bucket(stage.output(on)).prefix("facts/").send().await),
        "GetReport" => {
            let object = s3(config).get_object().bucket(stage.output(on)).key("reports/permission");
            verdict(object.send().await)
        }
        "GetSecretValue" => {
            let secrets = aws_sdk_secretsmanager::Client::new(config);
            // Tokens are no resources of the template: a shop stores them when it needs them.
            let id = match on.ends_with("-token") {
                true => format!("{}/{on}", stage.stack.stack),
                false => stage.output(on).to_owned(),
            };
            verdict(secrets.get_secret_value().secret_id(id).send().await)
        }
        other => panic!("nobody knows how to try {other}"),
    }
}

/// Whether a call was let through: anything but a denial, since what it then came to does not matter here.
fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

fn verdict<T, E: Debug>(result: Result<T, E>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            let error = format!("{error:?}");
            let denied = error.contains("AccessDenied") || error.contains("not authorized");
            let let_through = [
                "ConditionalCheckFailed",
                "MissingParameter",
                "InvalidParameter",
                "PreconditionFailed",
                "NoSuchKey",
                "NotFound",
            ];
            let let_through = let_through.iter().any(|code| error.contains(code));
            assert!(denied || let_through, "neither allowed nor denied: {error}");
            !denied
        }
    }
}
