//! See the library: the program is one function there, and its exit status is part of the contract.

fn main() {
    bek_unlock::cli::main()
}
