# shellcheck shell=bash
# The KEK is disabled: what it wraps stays closed, what it does not wrap opens.

disturb() { azure_change '{"disable_key": {"vault": "contoso-kv.vault.azure.net", "name": "kek"}}'; }

guest() {
    refused data2 77 '403' 'enable'
    refused data3 77 '403' 'enable'
    opened data1 data4
    # As make install and every package do it.
    journalctl --update-catalog
    check 'journalctl -x explains the refusal' matches 'Key Vault refused the key of volume data3' \
        <(journalctl --catalog --boot --identifier=bek-unlock)
    settled 'data1 data4' 'bek-unlock@data2.service bek-unlock@data3.service'
}
