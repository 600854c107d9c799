//! What the rows of each format become.

use std::collections::BTreeMap;

use kairos_backtest::{Format, PurchaseColumns, Report};

use super::support::{file, gzip, options, play};

const SEGMENT: &str = r#"
{"type":"track","event":"Product Added","userId":"ann","messageId":"1","timestamp":"2026-03-01T10:00:00Z","properties":{"product_id":"7","name":"Mug","price":4.5}}
{"type":"identify","userId":"ann","anonymousId":"v1","messageId":"2","timestamp":"2026-03-01T10:01:00Z","traits":{"email":"ann@shop.example"}}
{"type":"track","event":"Product Viewed","anonymousId":"v1","messageId":"3","timestamp":"2026-03-01T10:02:00Z","properties":{"product_id":"8"}}
{"batch":[{"type":"track","event":"Product Viewed","anonymousId":"v1","messageId":"5","timestamp":"2026-03-01T10:04:00Z"},{"type":"track","event":"Product Viewed","userId":"ann","messageId":"4","timestamp":"2026-03-01T10:03:00Z"}],"sentAt":"2026-03-01T10:04:01Z"}
"#;

const GA4: &str = r#"{"event_date":"20260301","event_timestamp":"1772359200000000","event_name":"add_to_cart","user_pseudo_id":"77.1","user_id":"ann","event_params":[{"key":"currency","value":{"string_value":"EUR"}},{"key":"ga_session_id","value":{"int_value":"5"}}],"items":[{"item_id":"7","item_name":"Mug","price":4.5,"quantity":"1","item_brand":"(not set)"}],"device":{"category":"mobile","operating_system":"iOS","language":"de-de"},"geo":{"country":"Germany","city":"Berlin"},"platform":"WEB"}
{"event_date":"20260301","event_timestamp":"1772359260000000","event_name":"page_view","user_pseudo_id":"77.1","event_params":[{"key":"page_location","value":{"string_value":"https://shop.example/promo?x=1"}}]}
{"event_date":"20260301","event_timestamp":1772372000000000,"event_name":"purchase","user_pseudo_id":"77.1","user_id":"ann","ecommerce":{"transaction_id":"T1","purchase_revenue":9.0},"items":[{"item_id":"7","price":4.5,"quantity":2}]}
{"event_date":"20260301","event_timestamp":"1772372000000000","event_name":"page_view"}
"#;

const REES46: &str = "\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 00:10:00 UTC,cart,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 02:00:00 UTC,purchase,7,1,appliances.kitchen.coffee_machine,acme,35.79,ann,s1
2019-10-01 01:05:00 UTC,view,8,1,,,0.00,bob,s2
";

const UCI: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,\"HEART, WHITE\",6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850,United Kingdom
536366,22633,HAND WARMER,6,2010-12-01 08:28:00,1.85,17850,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527,United Kingdom
536370,22728,ALARM CLOCK,24,12/1/2010 8:45,3.75,,France
";

fn played(text: &str) -> Report {
    play(vec![file("events", text)], &options()).unwrap()
}

/// Messages by play.
fn sent(report: &Report) -> BTreeMap<&str, u64> {
    report
        .playbook
        .plays
        .iter()
        .map(|play| (play.name.as_str(), play.total.sent))
        .filter(|(_, sent)| *sent > 0)
        .collect()
}

fn formats(report: &Report) -> Vec<Option<Format>> {
    report.recording.files.iter().map(|file| file.format).collect()
}

#[test]
fn segment_calls_are_read_as_ingest_reads_them_links_and_batches_too() {
    let report = played(SEGMENT);
    assert_eq!(formats(&report), [Some(Format::Segment)]);
    assert_eq!((report.recording.events, report.recording.people, report.recording.wrong_rows), (5, 1, 0));
    assert_eq!(sent(&report), BTreeMap::from([("abandoned_cart", 1)]));
    let segment = &report.playbook.segments[0];
    assert_eq!((segment.entries, segment.members), (1, 1), "what the visitor viewed counts for ann");
}

#[test]
fn an_archive_s_corrected_time_is_final_and_a_raw_one_is_corrected() {
    let call = |more: &str| {
        format!(
            r#"{{"type":"track","event":"Order Completed","userId":"ann","messageId":"1",{more},"receivedAt":"2026-03-01T12:00:00Z","sentAt":"2026-03-01T11:00:00Z"}}"#
        )
    };
    for (more, at) in [
        (
            r#""timestamp":"2026-03-01T10:00:00Z","originalTimestamp":"2026-03-01T09:00:00Z""#,
            "2026-03-01T10:00:00.000Z",
        ),
        (r#""timestamp":"2026-03-01T10:00:00Z""#, "2026-03-01T11:00:00.000Z"),
    ] {
        let report = played(&call(more));
        assert_eq!(report.recording.last_at.unwrap().to_string(), at, "{more}");
    }
}

#[test]
fn rows_of_ga4_s_export_are_events_of_visitors_and_users() {
    let report = played(GA4);
    assert_eq!(formats(&report), [Some(Format::Ga4)]);
    assert_eq!((report.recording.events, report.recording.people), (3, 1), "the visitor is ann");
    assert_eq!(report.recording.nobodys_rows, 1, "nobody gave consent to be known");
    assert_eq!(sent(&report), BTreeMap::from([("abandoned_cart", 1), ("thanks", 1)]));
    let cart = &report.playbook.plays[0].total;
    assert_eq!((cart.converted, cart.converted_value.to_string().as_str()), (1, "9.00"));
}

#[test]
fn the_rows_of_a_day_of_ga4_s_export_may_stand_in_any_order() {
    let reversed: Vec<&str> = GA4.lines().rev().collect();
    let (report, in_order) = (played(&reversed.join("\n")), played(GA4));
    assert_eq!((report.playbook, report.recording.late_inputs), (in_order.playbook, 0));
}

#[test]
fn rees46_rows_are_views_carts_and_orders() {
    for text in [REES46.as_bytes().to_vec(), gzip(REES46)] {
        let report = play(vec![file("events.csv", text)], &options()).unwrap();
        assert_eq!(formats(&report), [Some(Format::Rees46)]);
        assert_eq!((report.recording.events, report.recording.people), (4, 2));
        assert_eq!(sent(&report), BTreeMap::from([("abandoned_cart", 1), ("thanks", 1)]));
        assert_eq!(report.recording.late_inputs, 0, "an hour is waited for what is late");
    }
}

#[test]
fn an_invoice_is_one_order_a_cancellation_a_refund_and_guests_are_nobody() {
    let report = played(UCI);
    assert_eq!(formats(&report), [Some(Format::Purchases)]);
    assert_eq!((report.recording.events, report.recording.people, report.recording.nobodys_rows), (3, 2, 1));
    assert_eq!(sent(&report), BTreeMap::from([("thanks", 2)]));
}

#[test]
fn an_invoice_that_stands_over_a_seam_of_pieces_is_one_order() {
    let mut text = String::from("order,customer,date,sku,qty,price\n");
    for number in 0..200_000 {
        let (order, day) = (number / 7, 1 + number / 7 % 28);
        text.push_str(&format!("{order},c{order},2026-01-{day:02},sku-{number},1,1.5\n"));
    }
    let mut options = options();
    options.window = Some(kairos_engine::time::Span::from_hours(24 * 40));
    let report = play(vec![file("orders.csv", text)], &options).unwrap();
    assert_eq!(report.recording.events, 28_572);
    assert_eq!(report.playbook.plays[1].total.sent, 28_572);
}

#[test]
fn columns_of_purchases_can_be_named() {
    let text = "who,when,what,paid\nann,20260101,7,9.5\n";
    let mut options = options();
    let error = play(vec![file("p.csv", text)], &options).unwrap_err().to_string();
    assert!(error.contains("p.csv is not understood") && error.contains("--customer-column"), "{error}");
    let named = |name: &str| Some(name.to_owned());
    options.purchases = PurchaseColumns {
        customer: named("who"),
        date: named("when"),
        product: named("what"),
        total: named("paid"),
        ..PurchaseColumns::default()
    };
    assert_eq!(play(vec![file("p.csv", text)], &options).unwrap().recording.events, 1);
}

#[test]
fn several_files_of_several_formats_are_one_recording() {
    let uci = UCI.replace("2010-12-01", "2026-03-02");
    let files =
        vec![file("a.ndjson", SEGMENT), file("empty", " \n"), file("b.csv.gz", gzip(&uci)), file("c.json", GA4)];
    let report = play(files, &options()).unwrap();
    assert_eq!(formats(&report), [Some(Format::Segment), None, Some(Format::Purchases), Some(Format::Ga4)]);
    assert_eq!(report.recording.events, 5 + 3 + 3);
    assert_eq!(report.recording.late_inputs, 0, "GA4's rows are waited for");
}

#[test]
fn wrong_rows_are_told_with_file_and_line_and_nothing_else_is_lost() {
    let segment = format!(
        "{}{{\"type\":\"track\",\"event\":\"X\"}}\n\n{{\"type\":\nnull\n{}",
        SEGMENT.trim_start(),
        r#"{"type":"track","event":"X","userId":"1"}"#
    );
    let rees46 = format!(
        "{REES46}yesterday,view,7,1,,,1,ann,s\n2019-10-01 00:00:00 UTC,stare,7,1,,,1,ann,s\n\
         2019-10-01 00:00:00 UTC,view,7,1,,,cheap,ann,s\n2119-10-01 00:00:00 UTC,view,7,1,,,1,ann,s\n\
         2019-10-01 00:00:00 UTC,view,7\n2019-10-01 02:00:01 UTC,view,7,1,,,1,eve,s"
    );
    let report = play(vec![file("a.json", segment), file("b.csv", rees46)], &options()).unwrap();
    assert_eq!(report.recording.events, 5 + 5);
    assert_eq!(report.recording.wrong_rows, 4 + 5);
    let told: Vec<String> = report.recording.problems.iter().map(ToString::to_string).collect();
    for (told, expected) in told.iter().zip([
        "a.json:5: user_missing: The event belongs to nobody",
        "a.json:7: it is no JSON",
        "a.json:8: it is no JSON object",
        "a.json:9: it has no time: write \"timestamp\"",
        "b.csv:6: event_time is \"yesterday\" and must be like 2019-10-01 00:00:00 UTC",
        "b.csv:7: event_type is \"stare\" and must be one of",
        "b.csv:8: price is \"cheap\" and must be a number",
        "b.csv:9: its time 2119-10-01T00:00:00.000Z has not come yet",
        "b.csv:10: it has 3 fields and must have 9",
    ]) {
        assert!(told.starts_with(expected), "{told:?} does not start with {expected:?}");
    }
    assert_eq!(told.len(), 9);
}

#[test]
fn what_is_no_recording_is_refused_with_what_to_do() {
    for (text, said) in [
        ("", "has no events"),
        ("[{\"type\":\"track\"}]", "jq -c '.[]'"),
        ("{\n  \"type\": \"track\"\n}", "one whole object in each line"),
        ("{\"a\":1}", "neither Segment calls"),
        ("hello\nworld\n", "no column that is known to be the customer"),
        ("{\"type\":\"track\",\"event\":\"X\"}", "The first one that is not: x:1: user_missing"),
    ] {
        let error = play(vec![file("x", text)], &options()).unwrap_err().to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
    let endless = format!("customer,date,price\n\"{}", "x\n".repeat(2_000_000));
    let error = play(vec![file("x.csv", endless)], &options()).unwrap_err().to_string();
    assert!(error.contains("close every quote"), "{error}");
    let error = play(vec![file("x.gz", vec![0x1f, 0x8b, 8, 0])], &options()).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}
