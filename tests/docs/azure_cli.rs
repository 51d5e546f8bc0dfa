//! Azure's CLI is not here: what the documents have it do is held to the commands and options it has.

use super::*;

/// Commands of the Azure CLI, and the options of each that the documents use. As its reference and
/// azure-cli 2.91.0 have them: https://learn.microsoft.com/cli/azure/reference-index
const AZ: &[(&str, &[&str])] = &[
    ("account get-access-token", &["--output", "--query", "--resource"]),
    ("disk list", &["--output", "--query"]),
    ("disk show", &["--query", "-g", "-n"]),
    (
        "keyvault create",
        &[
            "--enable-purge-protection",
            "--enable-rbac-authorization",
            "--location",
            "--name",
            "--resource-group",
        ],
    ),
    ("keyvault key create", &["--kty", "--name", "--ops", "--size", "--vault-name"]),
    ("keyvault secret list", &["--output", "--query", "--vault-name"]),
    ("keyvault secret show", &["--id"]),
    (
        "keyvault set-policy",
        &["--key-permissions", "--name", "--object-id", "--secret-permissions", "--upn"],
    ),
    ("keyvault show", &["--name", "--output", "--query"]),
    ("login", &[]),
    (
        "role assignment create",
        &["--assignee-object-id", "--assignee-principal-type", "--role", "--scope"],
    ),
    ("vm extension delete", &["--name", "--resource-group", "--vm-name"]),
    ("vm identity assign", &["--name", "--resource-group"]),
    ("vm show", &["--output", "--query", "-g", "-n"]),
];

#[test]
fn commands_of_azure_s_cli_are_known_ones() {
    let known: BTreeMap<&str, &[&str]> = AZ.iter().copied().collect();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, words) in all_commands() {
        let [program, words @ ..] = words.as_slice() else { continue };
        if program != "az" {
            continue;
        }
        let name: Vec<&str> =
            words.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
        let options = used.entry(name.join(" ")).or_default();
        for option in words.iter().filter(|word| word.starts_with('-')) {
            let option = option.split('=').next().unwrap();
            let there = known.get(name.join(" ").as_str()).is_some_and(|all| all.contains(&option));
            assert!(there, "{place}: az {}: {option}", name.join(" "));
            options.insert(option.to_owned());
        }
    }
    // The list has what is used, and nothing besides.
    let listed: BTreeMap<String, BTreeSet<String>> = AZ
        .iter()
        .map(|(name, options)| {
            ((*name).to_owned(), options.iter().map(|option| (*option).to_owned()).collect())
        })
        .collect();
    assert_eq!(used, listed);
}

/// Commands that prose and hints name without being examples of them.
const AZ_NAMED: &[&str] = &[
    "account get-access-token",
    "account show",
    "ad app credential reset",
    "ad app federated-credential list",
    "disk list",
    "disk show",
    "keyvault",
    "keyvault key",
    "keyvault key decrypt",
    "keyvault key list-deleted",
    "keyvault key list-versions",
    "keyvault key recover",
    "keyvault key rotate",
    "keyvault key set-attributes",
    "keyvault secret list-deleted",
    "keyvault secret list-versions",
    "keyvault secret recover",
    "keyvault secret restore",
    "keyvault secret set-attributes",
    "keyvault secret show",
    "keyvault set-policy",
    "login",
    "vm identity assign",
    "vm identity show",
    "vm show",
];

/// `az ...` between backticks, in bold, or in the text of a hint.
#[test]
fn commands_of_azure_s_cli_in_prose_and_hints_are_known_ones() {
    let mut texts = Vec::new();
    for (directory, suffix) in [("docs", ".md"), ("docs/man", ".scd"), ("src/hint", ".rs")] {
        texts.extend(files(&root().join(directory), suffix));
    }
    texts.extend(["README.md", "src/hint.rs"].map(|file| root().join(file)));
    let mut named = BTreeSet::new();
    for file in texts {
        let text = std::fs::read_to_string(&file).unwrap().replace('\n', " ");
        for begin in ["`az ", "*az ", ": az ", "\"az "] {
            for behind in text.split(begin).skip(1) {
                let is_word = |word: &&str| {
                    !word.starts_with('-')
                        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                };
                // The word before the closing mark is the last one.
                let end = behind.find(['`', '*', '"', ',', ';']).unwrap_or(behind.len());
                let words: Vec<&str> =
                    behind[..end].split_whitespace().take_while(is_word).collect();
                if !words.is_empty() {
                    named.insert(words.join(" "));
                }
            }
        }
    }
    let listed = AZ_NAMED.iter().map(|name| (*name).to_owned()).collect();
    same(&listed, &named, "commands of az in prose and hints");
}
