//! bek-unlock-generator(8): everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bek_unlock::generator::main()
}
