/* A program that loads the plugin as libcryptsetup does, without being linked with libcryptsetup itself:
 * what the plugin needs of it, the plugin has to bring. Calls each function with nothing in its hands.
 *
 *     host PLUGIN
 *
 * Prints the plugin's version, and on a second line where libcryptsetup looks for plugins. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

static void *plugin;
static int missing;

/* As crypt_token_load_external() of libcryptsetup does it; what it does not find it does without. */
static void *symbol(const char *name)
{
	void *found = dlvsym(plugin, name, "CRYPTSETUP_TOKEN_1.0");
	if (!found) {
		fprintf(stderr, "%s: %s\n", name, dlerror());
		missing = 1;
	}
	return found;
}

int main(int argc, char **argv)
{
	plugin = argc == 2 ? dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL) : NULL;
	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	int (*open)(void *, int, char **, size_t *, void *) = symbol("cryptsetup_token_open");
	const char *(*version)(void) = symbol("cryptsetup_token_version");
	void (*buffer_free)(void *, size_t) = symbol("cryptsetup_token_buffer_free");
	int (*validate)(void *, const char *) = symbol("cryptsetup_token_validate");
	void (*dump)(void *, const char *) = symbol("cryptsetup_token_dump");
	const char *(*path)(void) = dlsym(plugin, "crypt_token_external_path");
	if (missing || !path)
		return 1;

	char *buffer = NULL;
	size_t length = 0;
	if (open(NULL, 0, &buffer, &length, NULL) != -ENOENT || buffer || validate(NULL, NULL) == 0)
		return 1;
	dump(NULL, NULL);
	buffer_free(NULL, 0);
	printf("%s\n%s\n", version(), path() ? path() : "");
	return dlclose(plugin) ? 1 : 0;
}
