//! See the library: the program is one function there, and its exit status is part of the contract.

use std::process::ExitCode;

fn main() -> ExitCode {
    bek_unlock::cli::main()
}
