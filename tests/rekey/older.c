/*
 * libcryptsetup on a kernel without device-mapper, as it behaves where dm-crypt is there and knows
 * no option: the key is really tried, the mapping is only said to be made, and no flag is in force.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libcryptsetup.h>

int crypt_activate_by_passphrase(struct crypt_device *cd, const char *name, int keyslot,
                                 const char *passphrase, size_t size, uint32_t flags)
{
    int (*real)(struct crypt_device *, const char *, int, const char *, size_t, uint32_t) =
        dlsym(RTLD_NEXT, "crypt_activate_by_passphrase");

    return real(cd, NULL, keyslot, passphrase, size, name ? 0 : flags);
}

int crypt_get_active_device(struct crypt_device *cd, const char *name,
                            struct crypt_active_device *cad)
{
    (void)cd;
    (void)name;
    cad->flags = 0;
    return 0;
}
