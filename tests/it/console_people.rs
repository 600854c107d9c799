//! The console's pages about people, messages, the playbook and health, in a browser, with hostile shoppers.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_engine::playbook::{Playbook, PlaybookVersion};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::clients::{chromium, clients, node};
use crate::harness::shopper::now;
use crate::harness::world::Depth;
use crate::harness::{PATIENCE, Shopper, Stage, eventually, playbook, run, tell};

/// A browser that takes longer hangs.
const BROWSER_PATIENCE: Duration = Duration::from_secs(240);
/// What the archive waits for before it writes, and some more.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(120);
/// The largest page, in bytes as they travel.
const PAGE_BYTES_MAX: u64 = 150 * 1024;

/// A name that runs in a page that does not escape it.
const EVIL: &str = "<img src=x onerror=alert(1)>";

/// The playbook of these tests: its welcome has HTML. (A script in it would not be sent, as no template may have one.)
fn with_html(webhook_url: &str, version: &str) -> Playbook {
    let mut playbook = playbook::playbook(webhook_url);
    playbook.version = PlaybookVersion(version.into());
    let welcome = playbook.messages.get_mut("welcome").and_then(|message| message.locales.get_mut("en"));
    let email = welcome.and_then(|templates| templates.email.as_mut()).expect("the welcome goes by email");
    email.html = Some(format!("<p>Edition {version}</p><h1>Hello {{{{ user.first_name }}}}</h1>"));
    playbook
}

/// What the browser saw.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    said: Vec<String>,
    wide: Vec<String>,
    weights: BTreeMap<String, u64>,
    refused: BTreeMap<String, u16>,
    nobody: String,
    name: String,
    name_is_right: bool,
    day: String,
    why: String,
    delivery: String,
    preview: String,
    deliveries: String,
    exported: String,
    failed: String,
    in_force: String,
    compared: String,
    rolled_back: String,
    changes: String,
    health: String,
    letter: String,
    redriven: String,
    refusals: String,
}

/// Puts a value of a metric into the engine's CloudWatch.
async fn measured(stage: &Stage, namespace: &str, metric: &str, dimension: &str, of: &str, value: u32) {
    let value = value.to_string();
    let form = [
        ("Action", "PutMetricData"),
        ("Version", "2010-08-01"),
        ("Namespace", namespace),
        ("MetricData.member.1.MetricName", metric),
        ("MetricData.member.1.Dimensions.member.1.Name", dimension),
        ("MetricData.member.1.Dimensions.member.1.Value", of),
        ("MetricData.member.1.Value", &value),
    ];
    let body = reqwest::Url::parse_with_params("http://localhost/", form).unwrap();
    let key = &stage.stack.credentials.access_key_id;
    let answer = stage
        .http
        .post(&stage.stack.endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/monitoring/aws4_request"),
        )
        .body(body.query().unwrap_or_default().to_owned());
    let answer = answer.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[test]
fn people_messages_the_playbook_and_health_are_shown_as_they_are_and_run_nothing_of_shoppers() {
    run(async {
        let Some(node) = node() else { return };
        let Some(chromium) = chromium() else { return };
        let stage = Stage::console_people().await;
        let store = PlaybookStore::new(stage.dynamodb.clone(), stage.output("PlaybookTable").to_owned());
        let url = stage.receiver.url();
        store.publish(&with_html(&url, "first")).await.unwrap();
        let warning = "warning: plays/welcome.yaml:3: <script>alert(3)</script>".to_owned();
        store.publish_checked(&with_html(&url, "second"), &[warning]).await.unwrap();

        let shopper = Shopper::new("console-people");
        let at = now();
        let evil_event =
            shopper.track(at, "Wish <script>alert(4)</script>", json!({"<b>note": "<svg onload=alert(5)>"}));
        stage.accept(&[shopper.identifies(at, json!({"email": shopper.email, "firstName": EVIL})), evil_event]).await;
        stage.sent(shopper.key(), 1).await;
        let refused =
            json!({"type": "track", "userId": shopper.user_id, "properties": {"<i>": "<script>alert(6)</script>"}});
        stage.post(&[refused]).await;
        let poison = "{\"v\":\"1\",\"poison\":\"<script>alert(7)</script>\"}";
        let letters = stage.output("DeliveriesDeadLettersUrl");
        stage.sqs.send_message().queue_url(letters).message_body(poison).send().await.unwrap();

        // What CloudWatch would have measured.
        let stack = &stage.stack.stack;
        measured(stage, "AWS/Lambda", "Invocations", "FunctionName", &format!("{stack}-timers"), 4_321).await;
        measured(stage, "Kairos", "promo_codes_given", "function", &format!("{stack}-delivery"), 1_234).await;

        let archive = ArchiveBucket::new(&stage.config, stage.output("ArchiveBucket").to_owned());
        let day: String = at.to_string().chars().take(10).collect();
        eventually("the day is archived", ARCHIVED_WITHIN, async || {
            let rows = archive.day_of(shopper.key(), &day, None).await.map_err(|fault| fault.to_string())?.found;
            if rows.len() >= 3 { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await;

        let secrets = aws_sdk_secretsmanager::Client::new(&stage.config);
        let password = secrets.get_secret_value().secret_id(stage.output("ConsolePasswordArn")).send().await.unwrap();
        let options = json!({
            "chromium": chromium, "console": stage.stack.browser_url("ConsoleUrl").unwrap(),
            "password": password.secret_string(), "email": shopper.email, "name": EVIL, "day": day,
            "queue": "deliveries", "shots": std::env::var("KAIROS_CONSOLE_SHOTS").ok(),
        });
        let mut command = Command::new(node);
        command.arg(clients().join("console_people.mjs")).arg(options.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = tokio::time::timeout(BROWSER_PATIENCE, command.output()).await.expect("the visit ends").unwrap();
        assert!(ended.status.success(), "the visit fails: {}", String::from_utf8_lossy(&ended.stderr));
        let seen: Seen = serde_json::from_slice(&ended.stdout).unwrap();

        assert_eq!(seen.said, Vec::<String>::new(), "the browser's console has nothing to say");
        assert_eq!(seen.wide, Vec::<String>::new(), "nothing is wider than the window");
        for (page, weight) in &seen.weights {
            assert!(*weight < PAGE_BYTES_MAX, "{page} has {weight} bytes");
        }
        assert!(seen.nobody.contains("Nobody is known"), "{}", seen.nobody);
        assert!(seen.name_is_right, "{}", seen.name);
        for (shown, part) in [
            (&seen.day, "Wish <script>alert(4)</script>"),
            (&seen.day, "<svg onload=alert(5)>"),
            (&seen.day, "Play welcome"),
            (&seen.why, "If its moment came now"),
            (&seen.why, "Rules and standing"),
            (&seen.delivery, "Good to have you here."),
            (&seen.delivery, &shopper.email),
            (&seen.preview, "Edition second"),
            (&seen.preview, "Hello <img src=x onerror=alert(1)>"),
            (&seen.deliveries, "welcome"),
            (&seen.exported, "welcome"),
            (&seen.failed, "No such message"),
            (&seen.compared, "<p>Edition first</p>"),
            (&seen.changes, "roll back"),
            (&seen.health, "Alarms late by"),
            (&seen.health, "4,321"),
            (&seen.health, "promo codes given"),
            (&seen.health, "1,234"),
            (&seen.letter, "<script>alert(7)</script>"),
            (&seen.redriven, "1 letter was put back"),
            (&seen.refusals, "<script>alert(6)</script>"),
        ] {
            assert!(shown.contains(part), "{part} is missing in: {shown}");
        }
        assert_eq!((seen.in_force.as_str(), seen.rolled_back.as_str()), ("second", "first"));
        assert_eq!(store.pointer().await.unwrap().unwrap().version.to_string(), "first");
        eventually("the letter is back in its queue", PATIENCE, async || {
            let depth = stage.depth("DeliveriesDeadLettersUrl").await;
            if depth == Depth(0) { Ok(()) } else { Err(format!("{depth:?}")) }
        })
        .await;
        for (what, status) in &seen.refused {
            let expected = match what.as_str() {
                "without a token" | "another token" | "from elsewhere" | "redrive without a token" => 403,
                "overtaken" => 409,
                what if what.contains("?on=") || what.contains("?status=") || what.contains("?window=") => 400,
                "/users" | "/deliveries" | "/playbook" | "/system" => 303,
                what if what.contains("export=") => 303,
                _ => 404,
            };
            assert_eq!(*status, expected, "{what}");
        }
        let largest = seen.weights.values().max().copied().unwrap_or_default();
        tell(format!("the console's pages of people, messages, playbook and health: at most {} KB", largest / 1024));
    });
}
