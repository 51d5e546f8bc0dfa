//! Volumes whose header has a token: no key disk, no secret, and no option beyond their name.

use azure_emulator::{Algorithm, Change};
use serde_json::{Value, json};

use crate::azure::contoso;
use crate::recover::{VERSION, kek, wrapped};
use crate::world::{KEY, Luks, Run, Volume, World, tool};

const CLIENT: &str = "6f1c0d52-0000-4000-8000-000000000001";

fn ours(keyslots: &[&str]) -> Value {
    json!({"type": "bek-unlock", "keyslots": keyslots, "version": "1", "kek": kek(),
        "algorithm": "RSA-OAEP", "wrapped_key": wrapped(Algorithm::RsaOaep, KEY.as_bytes())})
}

/// Standard base64, as AzureAttestSKR prints it, and for no keyslot.
fn ades() -> Value {
    let value = wrapped(Algorithm::RsaOaep256, KEY.as_bytes()).replace('-', "+").replace('_', "/");
    json!({"type": "Azure_Disk_Encryption", "keyslots": [], "version": "1.0",
        "KekVaultResourceId": "", "KeyEncryptionKeyURL": kek(), "KeyVaultResourceId": "",
        "KeyVaultURL": "", "AttestationURL": null,
        "PassphraseName": "LUKSPasswordProtector", "Passphrase": format!("{value}==")})
}

/// The header, where it is apart, else the device.
fn place(volume: &Volume) -> &str {
    if volume.header.is_empty() { &volume.device } else { &volume.header }
}

fn import(volume: &Volume, number: &str, token: &Value) {
    let import = ["cryptsetup", "token", "import", "--token-id", number, place(volume)];
    tool(&import, token.to_string().as_bytes());
}

fn attach(world: &World, volume: &Volume) -> Run {
    world.attach(volume, "-", &world.ca())
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_token_opens_its_volume_with_two_requests_and_without_waiting() {
    let world = World::with_azure(contoso());
    for detached in [false, true] {
        let volume = world.luks("v", &Luks { detached, ..Luks::default() });
        import(&volume, "3", &ours(&["0"]));
        // 20 s of timeout= and no key disk: waiting for one would show.
        let run = attach(&world, &volume).says("data1 unlocked with the LUKS2 token");
        run.says("no key disk (vfat, label \"BEK VOLUME\") is attached");
        assert_eq!(world.read_and_close(), "hello from v\n");
    }
    let unwrap = format!("POST /keys/kek/{VERSION}/unwrapkey 200");
    let both = ["GET /metadata/identity/oauth2/token 200", &unwrap];
    assert_eq!(world.requests(), [both, both].concat());
}

#[test]
#[ignore = "needs root: make check-root"]
fn ades_token_opens_its_volume_before_and_after_it_is_assigned() {
    let world = World::with_azure(contoso());
    let volume = world.luks("v", &Luks::default());
    import(&volume, "5", &ades());
    attach(&world, &volume).says("data1 unlocked with the LUKS2 token");
    assert_eq!(world.read_and_close(), "hello from v\n");
    let run = world.run(&["token", "assign", &volume.device]);
    assert_eq!(run.status, Some(0), "{run:#?}");
    let dump = tool(&["cryptsetup", "luksDump", &volume.device], b"");
    // Between the two the plugin says what is in it.
    let (_, shown) = dump.split_once("  5: Azure_Disk_Encryption\n").unwrap();
    let shown: Vec<&str> = shown.lines().take_while(|line| line.starts_with('\t')).collect();
    assert!(shown.contains(&"\tKeyslot:    0"), "{dump}");
    attach(&world, &volume).says("data1 unlocked with the LUKS2 token");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn the_key_disk_comes_before_the_token() {
    let world = World::with_azure(contoso());
    let volume = world.luks("v", &Luks::default());
    import(&volume, "0", &ours(&["0"]));
    world.key_disk(&[("LinuxPassPhraseFileName", KEY.as_bytes())]);
    attach(&world, &volume).says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
    assert_eq!(world.requests(), [""; 0]);
}

#[test]
#[ignore = "needs root: make check-root"]
fn of_several_identities_the_token_s_is_asked() {
    let mut scenario = contoso();
    let other = json!({"name": "other", "client_id": "6f1c0d52-0000-4000-8000-0000000000ff",
        "object_id": "6f1c0d52-0000-4000-8000-0000000000fe", "assigned": "user"});
    scenario["imds"]["identities"][0]["client_id"] = json!(CLIENT);
    scenario["imds"]["identities"][0]["assigned"] = json!("user");
    scenario["imds"]["identities"].as_array_mut().unwrap().push(other);
    let world = World::with_azure(scenario);
    let volume = world.luks("v", &Luks::default());
    import(&volume, "0", &ours(&["0"]));
    let words = ["Multiple user assigned identities", "identity=client-id:UUID"];
    attach(&world, &volume).refuses(77, &words);
    let mut hinting = ours(&["0"]);
    hinting["identity"] = json!(format!("client-id:{CLIENT}"));
    tool(&["cryptsetup", "token", "remove", "--token-id", "0", &volume.device], b"");
    import(&volume, "0", &hinting);
    attach(&world, &volume).says("data1 unlocked with the LUKS2 token");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_token_that_is_no_use_says_why_and_nothing_is_open() {
    let foreign = || {
        let mut token = ours(&["0"]);
        token["kek"] = json!("https://kv.evil.example/keys/kek/01");
        token
    };
    let other = || {
        let mut token = ours(&["0"]);
        token["wrapped_key"] = json!(wrapped(Algorithm::RsaOaep, b"of another volume"));
        token
    };
    for (token, disabled, status, words) in [
        (ours(&["0"]), true, 77, ["KeyDisabled", "enable the KEK"]),
        (foreign(), false, 76, ["is no Key Vault host; no token was sent", "no key disk"]),
        (other(), false, 2, ["does not fit the keyslot", "no key disk"]),
    ] {
        let world = World::with_azure(contoso());
        if disabled {
            let kek = json!({"vault": "contoso-kv.vault.azure.net", "name": "kek"});
            let change: Change = serde_json::from_value(json!({"disable_key": kek})).unwrap();
            world.emulator.as_ref().unwrap().change(change).unwrap();
        }
        let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
        import(&volume, "0", &token);
        attach(&world, &volume).refuses(status, &words);
        world.nothing_is_left();
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn removing_the_last_way_is_warned_about() {
    let world = World::new();
    let volume = world.luks("v", &Luks { filesystem: false, ..Luks::default() });
    let show = ["token", "show", volume.device.as_str(), "--json"];
    for (vault, warned) in [("", true), (",vault=https://contoso-kv.vault.azure.net", false)] {
        import(&volume, "1", &ours(&["0"]));
        world.bektab(&format!("data1 {} - nofail{vault}\n", volume.device));
        let run = world.run(&["token", "remove", &volume.device]);
        assert_eq!(run.status, Some(0), "{run:#?}");
        let words = "data1 in /etc/bektab has only the key disk left";
        assert_eq!(run.stderr.contains(words), warned, "{run:#?}");
        assert_eq!(world.run(&show).stdout, "[]\n");
    }
}
