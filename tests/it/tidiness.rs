//! Functions, template, example events and papers say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lambda_events::event::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::event::sqs::SqsEvent;
use kairos_cloud::facts::{StreamEvent, StreamRecord};
use kairos_engine::bounds;
use kairos_engine::mailbox::{DeliveryMessage, DeliveryOrder};
use serde_json::Value;

use crate::harness::built::FUNCTIONS;
use crate::harness::root;

/// The functions there are: the folders of `functions`.
fn folders() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("functions")).unwrap();
    entries.map(|entry| entry.unwrap()).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn template() -> String {
    fs::read_to_string(root().join("template.yaml")).unwrap()
}

/// The lines that stand deeper than the line `head`, which stands at a depth of `depth` spaces.
fn block<'a>(text: &'a str, depth: usize, head: &str) -> Vec<&'a str> {
    let head = format!("{}{head}:", " ".repeat(depth));
    let lines = text.lines().skip_while(|line| *line != head).skip(1);
    let inside = |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > depth;
    lines.take_while(inside).collect()
}

/// The names that stand directly in a block whose lines are indented by `depth`.
fn names(block: &[&str], depth: usize) -> BTreeSet<String> {
    let direct = block.iter().filter_map(|line| line.strip_prefix(&" ".repeat(depth)));
    let named = direct.filter(|line| line.starts_with(|first: char| first.is_ascii_alphabetic()));
    named.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

/// All Rust files below a directory.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// What stands in quotes right after each occurrence of `before`.
fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(quoted, _)| quoted).collect()
}

#[test]
fn every_function_is_in_the_template_under_its_name() {
    let template = template();
    let resources = block(&template, 0, "Resources").join("\n");
    let mut binaries = BTreeSet::new();
    for logical in names(&block(&template, 0, "Resources"), 2) {
        let resource = block(&resources, 2, &logical).join("\n");
        if !resource.contains("Type: AWS::Serverless::Function") {
            continue;
        }
        let binary = resource.split("Binary: ").nth(1).and_then(|rest| rest.split('}').next()).unwrap().to_owned();
        assert!(
            resource.contains(&format!("CodeUri: functions/{binary}")),
            "{logical} is built from functions/{binary}"
        );
        assert_eq!(logical.to_lowercase(), format!("{binary}function"));
        binaries.insert(binary);
    }
    assert_eq!(binaries, folders());
    assert_eq!(binaries, BTreeSet::from(FUNCTIONS.map(str::to_owned)), "the tests know them all");
}

#[test]
fn every_setting_that_a_function_reads_is_given_by_the_template_and_no_other() {
    let template = template();
    for function in folders() {
        let logical = format!("{}{}Function", function[..1].to_uppercase(), &function[1..]);
        let resource = block(&block(&template, 0, "Resources").join("\n"), 2, &logical).join("\n");
        let environment = block(&resource, 6, "Environment").join("\n");
        let given = names(&block(&environment, 8, "Variables"), 10);
        let read: BTreeSet<String> = sources(&root().join("functions").join(&function).join("src"))
            .iter()
            .flat_map(|(_, text)| ["required(\"", "optional(\""].map(|call| quoted_after(text, call)).concat())
            .map(str::to_owned)
            .collect();
        assert_eq!(given, read, "{function}: the template gives, the code reads");
    }
}

#[test]
fn every_trigger_has_example_events_that_read_as_what_it_gives() {
    for function in folders() {
        let directory = root().join("functions").join(&function).join("events");
        let mut events = 0;
        for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let event: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            events += 1;
            let wrong = format!("{} does not read", path.display());
            if event.pointer("/Records/0/dynamodb").is_some() {
                let batch: StreamEvent = serde_json::from_value(event).expect(&wrong);
                let readable = |record: StreamRecord| record.told().rows.is_ok_and(|rows| !rows.is_empty());
                assert!(batch.records.into_iter().all(readable), "{}", path.display());
            } else if event.get("Records").is_some() {
                let batch: SqsEvent = serde_json::from_value(event).expect(&wrong);
                assert!(batch.records.iter().all(|record| record.message_id.is_some()), "{}", path.display());
            } else if event.get("rawPath").is_some() {
                let request: LambdaFunctionUrlRequest = serde_json::from_value(event).expect(&wrong);
                assert!(
                    request.raw_path.is_some() && request.request_context.http.method.is_some(),
                    "{}",
                    path.display()
                );
            } else {
                let template = template();
                let inputs = template.split("Input:").skip(1).filter_map(|rest| rest.lines().next());
                let inputs = inputs.map(|input| input.trim().trim_matches('\''));
                let mut inputs = inputs.map(|input| serde_json::from_str::<Value>(input).unwrap());
                assert!(
                    inputs.any(|input| event == input),
                    "{}: what a schedule of the template gives",
                    path.display()
                );
            }
        }
        assert!(events > 0, "functions/{function}/events is empty");
    }
}

#[test]
fn whatever_programs_ask_of_the_deployed_stack_is_there() {
    let template = template();
    let outputs = names(&block(&template, 0, "Outputs"), 2);
    let parameters = names(&block(&template, 0, "Parameters"), 2);
    let resources = names(&block(&template, 0, "Resources"), 2);
    let mut asked = 0;
    for (path, text) in ["cli/src", "tests/it"].iter().flat_map(|directory| sources(&root().join(directory))) {
        // Unit tests inside the sources make up stacks of their own.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for output in ["outputs[\"", "output(\"", "outputs.get(\""].map(|call| quoted_after(text, call)).concat() {
            asked += 1;
            assert!(outputs.contains(output), "{}: template.yaml has no output {output}", path.display());
        }
        for function in ["functions[\"", "functions.get(\""].map(|call| quoted_after(text, call)).concat() {
            assert!(resources.contains(function), "{}: template.yaml has no {function}", path.display());
        }
        for parameter in ["parameters: vec![(\"", "parameters.push((\""].map(|call| quoted_after(text, call)).concat() {
            assert!(parameters.contains(parameter), "{}: template.yaml has no parameter {parameter}", path.display());
        }
    }
    assert!(asked > 5, "this test still finds where outputs are used");
}

#[test]
fn every_function_is_introduced_to_newcomers() {
    for paper in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join(paper)).unwrap_or_else(|error| panic!("{paper}: {error}"));
        for function in folders() {
            let named = [format!("`{function}`"), format!("**{function}**"), format!("functions/{function}")];
            assert!(named.iter().any(|name| text.contains(name)), "{paper} does not name the function {function}");
        }
    }
}

#[test]
fn example_deliveries_are_of_the_shipped_playbook() {
    let playbook = kairos_playbook::load(&root().join("playbook")).unwrap().playbook;
    for entry in fs::read_dir(root().join("functions/delivery/events")).unwrap() {
        let path = entry.unwrap().path();
        let batch: SqsEvent = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for record in batch.records {
            let Ok(message) = serde_json::from_str::<DeliveryMessage>(record.body.as_deref().unwrap()) else {
                assert_eq!(path.file_stem().unwrap(), "unreadable");
                continue;
            };
            let DeliveryOrder { playbook: version, message, play, .. } = message.order();
            assert_eq!(version, &playbook.version, "{}: write the version that `kairos check` says", path.display());
            assert!(playbook.messages.contains_key(message) && playbook.play(play).is_some(), "{}", path.display());
        }
    }
}

/// A whole number of the template: the value of `name` in the resource `resource`.
fn figure(resource: &str, name: &str) -> i64 {
    let template = template();
    let block = block(&template, 2, resource);
    let lines = block.iter().filter_map(|line| line.split_once(&format!("{name}: ")));
    let figures: Vec<&str> = lines.map(|(_, rest)| rest.trim().trim_end_matches('}')).collect();
    let [figure] = figures[..] else { panic!("{resource} has {} times {name}", figures.len()) };
    figure.parse().unwrap_or_else(|_| panic!("{name} of {resource} is {figure}"))
}

/// The local engine does not speak AWS End User Messaging, so that who may call it is not tried there.
#[test]
fn only_delivery_may_send_sms_by_end_user_messaging_and_only_in_the_own_account() {
    let template = template();
    let calls: Vec<&str> = template.lines().filter(|line| line.contains("Action: sms-voice:")).collect();
    assert_eq!(calls, ["                Action: sms-voice:SendTextMessage"]);
    let role = block(&template, 2, "DeliveryRole");
    let at = role.iter().position(|line| *line == calls[0]).expect("it is the delivery's");
    assert!(role[at + 1].ends_with(":${AWS::Region}:${AWS::AccountId}:*\""), "{}", role[at + 1]);
}

#[test]
fn a_person_is_told_when_a_function_fails_a_letter_is_dead_or_a_queue_gets_old() {
    let template = template();
    let resources = block(&template, 0, "Resources");
    let watching = |resource: &str, metric: &str| {
        let watches = |alarm: &String| {
            let alarm = block(&resources.join("\n"), 2, alarm).join("\n");
            alarm.contains("Type: AWS::CloudWatch::Alarm")
                && alarm.contains("AlarmActions: [!Ref OperationsTopic]")
                && alarm.contains(&format!("MetricName: {metric}\n"))
                && (alarm.contains(&format!("!Ref {resource}}}]"))
                    || alarm.contains(&format!("!GetAtt {resource}.QueueName")))
        };
        names(&resources, 2).iter().filter(|name| watches(name)).count()
    };
    for function in folders() {
        let logical = format!("{}{}Function", function[..1].to_uppercase(), &function[1..]);
        assert_eq!(watching(&logical, "Errors"), 1, "{logical}");
    }
    let queues = names(&resources, 2)
        .into_iter()
        .filter(|name| block(&resources.join("\n"), 2, name).iter().any(|line| line.trim() == "Type: AWS::SQS::Queue"));
    for queue in queues {
        let metric = match queue.ends_with("DeadLetters") {
            true => "ApproximateNumberOfMessagesVisible",
            false => "ApproximateAgeOfOldestMessage",
        };
        assert_eq!(watching(&queue, metric), 1, "{queue}");
    }
    // What the functions' own metrics are called, as alarms name them.
    let timers = fs::read_to_string(root().join("functions/timers/src/main.rs")).unwrap();
    for (call, metric) in [("measure", "alarm_lateness"), ("count", "sweeps")] {
        assert!(timers.contains(&format!("telemetry::{call}(\"{metric}\"")), "{metric}");
        assert_eq!(watching("TimersFunction", metric), 1, "{metric}");
    }
}

#[test]
fn the_template_gives_what_the_protocols_count_on() {
    assert_eq!(figure("DeliveriesQueue", "maxReceiveCount"), i64::from(bounds::DELIVERY_ATTEMPTS_MAX));
    assert_eq!(figure("FeedbackQueue", "maxReceiveCount"), i64::from(bounds::FEEDBACK_RECEIVES_MAX));
    assert_eq!(figure("DeliveryFunction", "Timeout") * 1_000, bounds::DELIVERY_RUN_MAX.as_millis());
    assert!(figure("DeliveriesQueue", "VisibilityTimeout") * 1_000 > bounds::CLAIM_LEASE.as_millis());
    // A call that hangs is over while the function still has time for the rest of its batch.
    let calls_ms = i64::from(bounds::AWS_ATTEMPTS_MAX) * bounds::AWS_ATTEMPT_TIMEOUT.as_millis();
    let functions = [
        "IngestFunction",
        "DecideFunction",
        "TimersFunction",
        "SegmentationFunction",
        "DeliveryFunction",
        "RedeemFunction",
        "LinksFunction",
        "InboxFunction",
        "CallbacksFunction",
        "ConsoleFunction",
    ];
    for function in functions {
        assert!(figure(function, "Timeout") * 1_000 > calls_ms, "{function}");
    }
    // What a feed had begun to tell when its time was up is told to the end of the page and noted.
    let reserve_ms = bounds::ANNOUNCE_RESERVE.as_millis();
    assert!(reserve_ms > 3 * calls_ms && figure("CatalogueFunction", "Timeout") * 1_000 >= 2 * reserve_ms);
    // When a backfill begins, nobody decides with the playbook before any more; and a call ends before the next one.
    assert!(
        bounds::PLAYBOOK_REFRESH.as_millis() + figure("DecideFunction", "Timeout") * 1_000
            < bounds::BACKFILL_SETTLE.as_millis()
    );
    let segmentation_ms = figure("SegmentationFunction", "Timeout") * 1_000;
    assert!(bounds::BACKFILL_TIME_MAX.as_millis() + 3 * calls_ms < segmentation_ms && segmentation_ms < 60_000);
    for (function, queue) in [
        ("DecideFunction", "EventsQueue"),
        ("TimersFunction", "AlarmsQueue"),
        ("DeliveryFunction", "DeliveriesQueue"),
        ("FeedbackFunction", "FeedbackQueue"),
    ] {
        // What AWS asks for, so that a batch that Lambda throttles is not handed out again meanwhile:
        // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        assert!(figure(queue, "VisibilityTimeout") >= 6 * figure(function, "Timeout"), "{queue}");
    }
}
