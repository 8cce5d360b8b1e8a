/* The transparency service: the public log of what happens with the money, and what must be published when. */
#include "services/transparency/transparency.h"

int main(int argc, char **argv)
{
	return service_main(&transparency, argc, argv);
}
