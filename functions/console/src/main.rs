//! `console` on Lambda. See the library.

use kairos_cloud::service;
use kairos_console::Function;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::from_environment()?;
    service::run(|event| function.handle(event)).await
}
