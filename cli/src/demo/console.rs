//! The console on what the demo has made.

use std::io::IsTerminal as _;

use aws_sdk_secretsmanager::Client as Secrets;

use super::Failure;
use crate::local::Engine;
use crate::target::Target;
use crate::terminal::{Style, line, note};

/// Where it is, and what opens it.
struct WayIn {
    address: String,
    password: String,
}

async fn way_in(engine: &Engine) -> Result<WayIn, Failure> {
    let stack = engine.status().await?.ok_or("the demo's engine has ended by itself")?;
    let address = stack.browser_url("ConsoleUrl").ok_or("the stack has no console")?;
    let secret = stack.outputs.get("ConsolePasswordArn").ok_or("the stack has no password for the console")?.clone();
    let config = Target::local(stack).config;
    let answer = Secrets::new(&config).get_secret_value().secret_id(secret).send().await;
    let answer = answer.map_err(|error| kairos_cloud::faults::fault("SecretsManager GetSecretValue", &error))?;
    let password = answer.secret_string.ok_or("the console's password is no text")?;
    Ok(WayIn { address, password })
}

/// Says where the console is and what opens it.
///
/// # Errors
/// When the engine does not answer.
pub async fn show_way_in(engine: &Engine) -> Result<(), Failure> {
    let WayIn { address, password } = way_in(engine).await?;
    let style = Style::stdout();
    line("");
    line(style.bold("See it in the console"));
    line(format!("  address   {address}/?period=today"));
    line(format!("  password  {password}"));
    Ok(())
}

/// Whether a person sits before the terminal.
pub fn is_seen() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Offers the console to a person who sits before the terminal, until they have had enough. To a program only how to
/// get there is said.
///
/// # Errors
/// When the engine does not answer.
pub async fn offer(engine: &Engine) -> Result<(), Failure> {
    if !is_seen() {
        line("");
        line("`make demo KEEP=1` leaves everything running, with a console in the browser that shows this day.");
        return Ok(());
    }
    show_way_in(engine).await?;
    note("Press Enter to stop everything.");
    let (enter, entered) = tokio::sync::oneshot::channel();
    // A thread of its own: nobody waits for it when the demo is interrupted.
    std::thread::spawn(move || {
        // An end of the input means the same as Enter; and who does not wait any more needs no word.
        let _ = std::io::stdin().read_line(&mut String::new());
        let _ = enter.send(());
    });
    let _ = entered.await;
    Ok(())
}
