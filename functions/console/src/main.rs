//! `console` on Lambda. See the library.

use kairos_console::Function;
use lambda_runtime::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::from_environment()?;
    lambda_runtime::run(service_fn(|event| function.handle(event))).await
}
