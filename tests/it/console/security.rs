//! Nobody gets in without the password, and nothing that comes from outside does anything in a page.

use kairos_cloud::items::{Item, number_in, text, text_in};
use kairos_engine::bounds::CONSOLE_LOGINS_MAX;

use super::Console;
use super::figures::{FORMULA, HOSTILE};
use crate::harness::run;

/// Every page and every export.
const PAGES: [&str; 12] = [
    "/",
    "/?period=30d",
    "/?export=csv&table=over_time",
    "/plays",
    "/plays?export=json&table=plays",
    "/plays/abandoned_cart",
    "/plays/abandoned_cart?export=csv&table=sources",
    "/funnels",
    "/funnels?export=csv&table=hours",
    "/segments",
    "/segments?export=csv&table=segments",
    "/nothing",
];

#[test]
fn there_is_no_page_and_no_export_without_a_session() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let cookie = console.log_in().await;
        let (name, value) = cookie.split_once('=').unwrap();
        let (token, mac) = value.split_once('.').unwrap();
        let forged = [
            String::new(),
            format!("{name}="),
            format!("{name}={token}."),
            format!("{name}={token}.{}", mac.chars().rev().collect::<String>()),
            format!("{name}={}.{mac}", token.chars().rev().collect::<String>()),
            format!("{name}=../../session.{mac}"),
            format!("other={value}"),
            // By https alone a browser would send this one.
            format!("__Host-{name}={value}"),
        ];
        for path in PAGES {
            for cookie in &forged {
                let answer = console.get(path, cookie).await;
                assert_eq!(answer.status, 303, "{path} with {cookie}");
                assert!(answer.header("location").starts_with("/log-in"), "{path}");
                assert!(answer.body.is_empty(), "{path}: {}", answer.body);
            }
            let answer = console.get(path, &cookie).await;
            assert_eq!(answer.status, if path == "/nothing" { 404 } else { 200 }, "{path}: {}", answer.body);
        }
        // What there is of people and of the system is behind the same door, whatever it is called, and so is each change.
        for path in [
            "/users",
            "/users?q=ann",
            "/users/ann",
            "/deliveries",
            "/playbook",
            "/system",
            "/system?export=csv&table=queues",
        ] {
            let answer = console.get(path, "").await;
            assert_eq!((answer.status, answer.body.as_str()), (303, ""), "{path}");
        }
        for path in ["/log-out", "/log-out/everywhere", "/", "/plays", "/playbook", "/system"] {
            assert_eq!(console.post(path, &forged[0], "csrf=x").await.status, 403, "{path}");
        }
    });
}

#[test]
fn a_session_is_new_with_each_login_and_ends_by_word() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let first = console.log_in().await;
        assert_eq!(console.get("/plays", &first).await.status, 200);
        // Who logs in with a cookie that somebody has given them gets another one, and the former ends.
        let form = format!("password={}", console.password().await);
        let answer = console.post("/log-in", &first, &form).await;
        let second = answer.cookie().unwrap();
        assert_ne!(first, second);
        let set = answer.header("set-cookie");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
        assert_eq!(console.get("/plays", &first).await.status, 303);
        let page = console.get("/plays", &second).await;
        assert_eq!(page.status, 200);

        let third = console.log_in().await;
        let out = console.post("/log-out", &second, &format!("csrf={}", page.csrf())).await;
        assert_eq!((out.status, out.header("location")), (303, "/log-in?out=here"));
        assert_eq!(console.get("/plays", &second).await.status, 303, "its cookie is worth nothing any more");
        assert_eq!(console.get("/plays", &third).await.status, 200, "the other session goes on");

        let fourth = console.log_in().await;
        let csrf = console.get("/", &third).await.csrf();
        let out = console.post("/log-out/everywhere", &third, &format!("csrf={csrf}")).await;
        assert_eq!(out.header("location"), "/log-in?out=everywhere");
        for cookie in [&third, &fourth] {
            assert_eq!(console.get("/plays", cookie).await.status, 303);
        }
        assert_eq!(console.get("/plays", &console.log_in().await).await.status, 200);
    });
}

#[test]
fn nothing_is_changed_but_from_a_page_of_the_session() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let (one, other) = (console.log_in().await, console.log_in().await);
        let csrf = console.get("/", &one).await.csrf();
        let others = console.get("/", &other).await.csrf();
        for (form, site) in [
            (String::new(), "same-origin"),
            ("csrf=".to_owned(), "same-origin"),
            (format!("csrf={others}"), "same-origin"),
            (format!("csrf={csrf}"), "cross-site"),
            (format!("csrf={csrf}"), "same-site"),
            (format!("csrf={csrf}"), "none"),
        ] {
            let answer = console.post_from("/log-out/everywhere", &one, &form, site).await;
            assert_eq!(answer.status, 403, "{form} from {site}");
        }
        // Nor is somebody logged in from elsewhere, into a session of somebody else's choice.
        let form = format!("password={}", console.password().await);
        assert_eq!(console.post_from("/log-in", "", &form, "cross-site").await.status, 403);
        assert_eq!(console.get(&format!("/log-out?csrf={csrf}"), &one).await.status, 404, "looking changes nothing");
        assert_eq!(console.get("/", &one).await.status, 200);
    });
}

#[test]
fn names_from_outside_do_nothing_in_pages_and_files() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let cookie = console.log_in().await;
        for path in [
            "/",
            "/plays/abandoned_cart",
            "/?only=source%3A%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
            "/plays/%3Cscript%3E",
        ] {
            let page = console.get(path, &cookie).await;
            assert!(!page.body.contains("<script>alert"), "{path}");
            assert!(!page.body.contains(HOSTILE), "{path}");
            for inline in ["<script>", "javascript:", " onerror=", " onload=", " onclick=", " style=", "<style"] {
                assert!(!page.body.contains(inline), "{path} has {inline}");
            }
            let policy = page.header("content-security-policy");
            assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        }
        let page = console.get("/plays/abandoned_cart", &cookie).await;
        assert!(page.body.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "it is shown as what it is");
        let csv = console.get("/plays/abandoned_cart?export=csv&table=sources", &cookie).await;
        assert!(csv.header("content-disposition").starts_with("attachment"));
        let line = csv.body.lines().find(|line| line.contains("HYPERLINK")).unwrap();
        assert!(line.starts_with("\"'=HYPERLINK("), "{line}: no spreadsheet takes {FORMULA} for a formula");
        assert_eq!(csv.header("x-content-type-options"), "nosniff");
    });
}

#[test]
fn paths_lead_to_pages_and_nowhere_else() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        let cookie = console.log_in().await;
        let script = console.get("/log-in", "").await;
        let (_, rest) = script.body.split_once("href=\"/assets/").unwrap();
        let hash = rest.split('/').next().unwrap();
        for path in [
            "/..%2f..%2fetc%2fpasswd".to_owned(),
            "/plays/..%2f..%2f..%2fCargo.toml".to_owned(),
            "/plays/%00".to_owned(),
            "/plays/%ff%fe".to_owned(),
            format!("/plays/{}", "a".repeat(3_000)),
            format!("/assets/{hash}/..%2fconsole.css"),
            format!("/assets/{hash}/console.js%00.css"),
            "/assets/0000000000000000/console.css".to_owned(),
            "/.env".to_owned(),
            "/log-in/x".to_owned(),
        ] {
            let answer = console.get(&path, &cookie).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        }
        for (path, status) in [
            ("/?period=forever", 400),
            ("/?from=2026-99-99", 400),
            ("/?only=colour:red", 400),
            ("/?export=exe&table=plays", 400),
            ("/?export=csv&table=../x", 404),
        ] {
            assert_eq!(console.get(path, &cookie).await.status, status, "{path}");
        }
        let long = format!("/?only=source:{}", "a".repeat(5_000));
        assert_eq!(console.get(&long, &cookie).await.status, 413);
        // After a login nobody is led to another host.
        let form = format!("password={}&to=%2F%2Fevil.example", console.password().await);
        assert_eq!(console.post("/log-in", "", &form).await.header("location"), "/");
        let form = format!("password={}&to=%2Fplays%3Fperiod%3D30d", console.password().await);
        assert_eq!(console.post("/log-in", "", &form).await.header("location"), "/plays?period=30d");
    });
}

#[test]
fn who_guesses_is_stopped() {
    run(async {
        let console = Console::open().await;
        let _alone = Console::alone().await;
        // A login forgives what was wrong before.
        console.log_in().await;
        for attempt in 1..=CONSOLE_LOGINS_MAX {
            let answer = console.post("/log-in", "", &format!("password=guess-{attempt}")).await;
            assert_eq!((answer.status, answer.cookie()), (401, None), "attempt {attempt}");
        }
        let right = format!("password={}", console.password().await);
        let answer = console.post("/log-in", "", &right).await;
        assert_eq!((answer.status, answer.cookie()), (429, None), "the right one comes too late");
        assert!(answer.body.contains("Too many attempts"), "{}", answer.body);
        // What one address tries beyond its own limit is not counted for all, so that it cannot lock out the shop.
        let of_all = attempts_of_all(console).await;
        for _ in 0..3 {
            assert_eq!(console.post("/log-in", "", "password=guess").await.status, 429);
        }
        assert_eq!(attempts_of_all(console).await, of_all);
        forgive(console).await;
        console.log_in().await;
    });
}

/// Attempts that count for everybody.
async fn attempts_of_all(console: &Console) -> u64 {
    let of_all = |item: &Item| text_in(item, "id").is_some_and(|id| id.starts_with("all#"));
    let counted = attempts(console).await.into_iter().filter(of_all);
    counted.filter_map(|item| number_in::<u64>(&item, "tried")).sum()
}

async fn attempts(console: &Console) -> Vec<Item> {
    let request = console.stage.dynamodb.query().table_name(console.stage.output("ConsoleTable"));
    let request = request.key_condition_expression("kind = :kind").consistent_read(true);
    let attempts = request.expression_attribute_values(":kind", text("logins")).send().await.unwrap();
    attempts.items.unwrap_or_default()
}

/// Removes the attempts that were noted, so that other tests can log in.
async fn forgive(console: &Console) {
    let (dynamodb, table) = (&console.stage.dynamodb, console.stage.output("ConsoleTable"));
    for mut item in attempts(console).await {
        item.retain(|name, _| ["kind", "id"].contains(&name.as_str()));
        dynamodb.delete_item().table_name(table).set_key(Some(item)).send().await.unwrap();
    }
}
